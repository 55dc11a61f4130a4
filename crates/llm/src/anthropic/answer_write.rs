use std::hash::{BuildHasher, RandomState};

use super::{
    block::{call, object, redacted, text_block, thinking},
    fields::{Fields, list},
    finish, signature, usage,
};
use crate::canon::{Answer, Ask, Finish, Part};

/// Writes a whole answer; of several choices the first.
pub(crate) fn write_answer(answer: &Answer, ask: &Ask) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 10);
    let mut message = Fields::begin(&mut out);
    head(&mut message, &answer.id, &answer.model, &ask.model);
    let (parts, finish) = match answer.choices.first() {
        Some(choice) => (&choice.parts[..], &choice.finish),
        None => (&[][..], &Finish::Stop),
    };
    list(message.key("content"), parts, |out, part| {
        block(out, part, finish)
    });
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let (reason, sequence) = finish::write(told(finish, refused));
    message.put("stop_reason", reason);
    message.put("stop_sequence", &sequence);
    usage::write(message.key("usage"), &answer.usage.unwrap_or_default());
    message.end();
    out
}

/// The fields that an answer and the start of a stream have in common.
pub(super) fn head(message: &mut Fields<'_>, id: &str, model: &str, asked: &str) {
    if id.is_empty() {
        message.put(
            "id",
            &format!("msg_{:016x}", RandomState::new().hash_one(model)),
        );
    } else {
        message.put("id", id);
    }
    message.put("type", "message");
    message.put("role", "assistant");
    message.put("model", if model.is_empty() { asked } else { model });
}

/// What a model that says why it will not answer has done, whatever its provider calls it.
pub(super) const fn told(finish: &Finish, refused: bool) -> &Finish {
    match finish {
        Finish::Stop if refused => &Finish::Filtered,
        finish => finish,
    }
}

fn block(out: &mut Vec<u8>, part: &Part, finish: &Finish) -> bool {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => text_block(out, text, false),
        Part::Thinking { text, signature } => {
            let sealed = signature.as_ref().map(signature::seal);
            thinking(out, text, sealed.as_deref().unwrap_or_default());
            true
        }
        Part::Redacted(signature) => {
            redacted(out, signature);
            true
        }
        Part::ToolCall {
            id,
            name,
            arguments,
            signature,
            ..
        } => {
            let input = object(arguments);
            if input.is_none() && *finish == Finish::Length {
                return false; // Cut off, and not to be called.
            }
            let mut block = call(out, id, name, signature.as_ref());
            let input = input.unwrap_or("{}");
            block.key("input").extend_from_slice(input.as_bytes());
            block.end();
            true
        }
        Part::Media(_) | Part::ToolResult { .. } => false, // No model of these dialects answers so.
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write_answer;
    use crate::{
        Dialect,
        anthropic::NAMES,
        canon::{Answer, Ask, Carried, Choice, Finish, Part, Signature},
    };

    fn written(parts: Vec<Part>, finish: Finish) -> Value {
        let mut ask = Ask::new(&NAMES);
        ask.model = "mine".to_owned();
        let answer = Answer {
            id: String::new(),
            model: String::new(),
            created: 0,
            choices: vec![Choice {
                parts,
                finish,
                logprobs: None,
            }],
            usage: None,
        };
        serde_json::from_slice(&write_answer(&answer, &ask)).unwrap()
    }

    fn call(arguments: &str, signature: Option<Signature>) -> Part {
        Part::ToolCall {
            id: "call_1".to_owned(),
            name: "f".to_owned(),
            arguments: arguments.to_owned(),
            signature,
            cached: false,
        }
    }

    #[test]
    fn an_answer_has_all_that_the_sdks_want() {
        let message = written(vec![Part::text("hi"), Part::text("")], Finish::Stop);
        assert!(message["id"].as_str().unwrap().starts_with("msg_"));
        assert_eq!(
            (&message["type"], &message["role"], &message["model"]),
            (&json!("message"), &json!("assistant"), &json!("mine"))
        );
        assert_eq!(
            message["content"],
            json!([{ "type": "text", "text": "hi" }])
        );
        assert_eq!(message["stop_sequence"], Value::Null);
        assert_eq!(message["usage"]["input_tokens"], 0);
    }

    #[test]
    fn a_refusal_is_shown_and_named() {
        let message = written(vec![Part::Refusal("no".to_owned())], Finish::Stop);
        assert_eq!(message["stop_reason"], "refusal");
        assert_eq!(message["content"][0]["text"], "no");
    }

    #[test]
    fn a_call_that_was_cut_off_is_not_to_be_called() {
        let cut = written(vec![call(r#"{"a":"#, None)], Finish::Length);
        assert_eq!(cut["content"], json!([]));
        let whole = written(vec![call("", None), call("[", None)], Finish::ToolCalls);
        assert_eq!(
            (&whole["content"][0]["input"], &whole["content"][1]["input"]),
            (&json!({}), &json!({}))
        );
    }

    #[test]
    fn foreign_signatures_find_a_place() {
        let signature = Signature {
            origin: Dialect::Gemini,
            value: "c2ln".to_owned(),
        };
        let thought = Part::Thinking {
            text: "hm".to_owned(),
            signature: Some(signature.clone()),
        };
        let parts = vec![
            thought,
            Part::Redacted(signature.clone()),
            call("{}", Some(signature.clone())),
        ];
        let message = written(parts, Finish::ToolCalls);
        assert_eq!(message["content"][0]["signature"], "tollgate.gemini.c2ln");
        assert_eq!(message["content"][1]["data"], "tollgate.gemini.c2ln");
        let (id, carried) = Carried::from_id(message["content"][2]["id"].as_str().unwrap());
        assert_eq!((id, carried.signature), ("call_1", Some(signature)));
    }
}
