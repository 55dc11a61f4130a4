use serde_json::Value;

use super::{
    call::new_id,
    finish,
    piece::{self, Piece},
};
use crate::{
    canon::{Answer, Choice, Fault, Finish, Part},
    halves::{self, Halves},
    openai::{error, usage},
};

/// Reads a provider's chat completion.
pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, Fault> {
    let mut body: Value = halves::read(body).ok_or_else(error::invalid)?;
    if let Some(fault) = error::in_stream(&body) {
        return Err(fault); // Some gateways tell of errors with a status of 200.
    }
    let usage = usage::of(&body["usage"], None);
    let Value::Array(choices) = piece::take(&mut body, "choices") else {
        return Err(error::invalid());
    };
    let mut choices: Vec<(u64, Choice)> = choices
        .into_iter()
        .map(|choice| {
            let index = choice["index"].as_u64().unwrap_or_default();
            read_choice(choice).map(|choice| (index, choice))
        })
        .collect::<Result<_, Fault>>()?;
    if choices.is_empty() {
        return Err(error::invalid());
    }
    choices.sort_by_key(|(index, _)| *index);
    Ok(Answer {
        id: piece::take_text(&mut body, "id").unwrap_or_default(),
        model: piece::take_text(&mut body, "model").unwrap_or_default(),
        created: body["created"].as_u64().unwrap_or_default(),
        choices: choices.into_iter().map(|(_, choice)| choice).collect(),
        usage,
    })
}

fn read_choice(mut choice: Value) -> Result<Choice, Fault> {
    if let Some(fault) = error::in_stream(&choice) {
        return Err(fault);
    }
    let mut message = piece::take(&mut choice, "message");
    if !message.is_object() {
        return Err(error::invalid());
    }
    let pieces = piece::pieces(&mut message);
    let parts: Vec<Part> = pieces.into_iter().map(part).collect();
    let called = parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall { .. }));
    let finish = match piece::take_text(&mut choice, "finish_reason") {
        Some(reason) => finish::read(&reason)?,
        None => Finish::Stop, // The answer is whole, so it is only not said.
    };
    let stopped_by = piece::take_text(&mut choice, "stop_reason");
    Ok(Choice {
        parts,
        finish: finish::settle(finish, called, stopped_by),
        logprobs: Some(piece::take(&mut choice, "logprobs")).filter(Value::is_object),
    })
}

fn part(piece: Piece) -> Part {
    match piece {
        Piece::Thinking(text) => Part::Thinking {
            text: whole(text),
            signature: None,
        },
        Piece::Text(text) => Part::text(whole(text)),
        Piece::Refusal(text) => Part::Refusal(whole(text)),
        Piece::Call(call) => Part::ToolCall {
            id: if call.id.is_empty() {
                new_id("call_")
            } else {
                call.id
            },
            name: call.name,
            arguments: whole(call.arguments),
            signature: None,
            cached: false,
        },
    }
}

/// A text that has no other half elsewhere.
fn whole(mut text: String) -> String {
    let mut halves = Halves::default();
    halves.join(&mut text);
    text.extend(halves.finish());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read_answer;
    use crate::canon::{Choice, Fault, Finish, Kind, Part};

    fn read(choice: Value) -> Result<Choice, Fault> {
        let body = json!({"id": "x", "created": 7, "model": "m", "choices": [choice]});
        read_answer(body.to_string().as_bytes()).map(|mut answer| answer.choices.remove(0))
    }

    #[test]
    fn choices_stand_in_their_order() {
        let message = |text: &str| json!({"role": "assistant", "content": text});
        let body = json!({"id": "x", "created": 7, "model": "m", "choices": [
            {"index": 1, "message": message("b"), "finish_reason": "length"},
            {"index": 0, "message": message("a"), "finish_reason": "stop", "logprobs": {"content": []}},
        ], "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
        let answer = read_answer(body.to_string().as_bytes()).unwrap();
        assert_eq!((&*answer.id, &*answer.model, answer.created), ("x", "m", 7));
        assert_eq!(answer.choices[0].parts, [Part::text("a")]);
        assert_eq!(answer.choices[0].logprobs, Some(json!({"content": []})));
        assert_eq!(answer.choices[1].finish, Finish::Length);
        assert_eq!(answer.usage.unwrap().output, 2);
    }

    #[test]
    fn servers_words_for_the_end_are_understood() {
        for (reason, stopped_by, expected) in [
            (json!("stop"), json!(null), Finish::Stop),
            (
                json!("stop"),
                json!("\n\n"),
                Finish::StopSequence(Some("\n\n".to_owned())),
            ),
            (json!("stop"), json!(2), Finish::Stop),
            (json!(""), json!(null), Finish::Stop),
            (json!(null), json!(null), Finish::Stop),
            (json!("model_length"), json!(null), Finish::Length),
            (json!("content_filter"), json!(null), Finish::Filtered),
            (json!("STOP"), json!(null), Finish::Stop),
        ] {
            let choice = json!({"message": {"content": "a"}, "finish_reason": reason, "stop_reason": stopped_by});
            assert_eq!(read(choice).unwrap().finish, expected, "{reason}");
        }
        for reason in [
            "error",
            "abort",
            "insufficient_system_resource",
            "unheard_of",
        ] {
            let choice = json!({"message": {"content": "a"}, "finish_reason": reason});
            assert!(read(choice).is_err(), "{reason}");
        }
    }

    #[test]
    fn tool_calls_are_read_in_the_forms_that_servers_give_them() {
        let choice = json!({"finish_reason": "stop", "message": {"content": "", "reasoning": "hm", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"function": {"name": "g", "arguments": {"b": 2}}},
            {"function": {"name": "h", "arguments": null}},
        ]}});
        let choice = read(choice).unwrap();
        assert_eq!(choice.finish, Finish::ToolCalls);
        let thinking = Part::Thinking {
            text: "hm".to_owned(),
            signature: None,
        };
        assert_eq!(choice.parts[0], thinking);
        let mut ids = std::collections::HashSet::new();
        for (part, (wanted, json)) in
            choice.parts[1..]
                .iter()
                .zip([("f", "{\"a\":1}"), ("g", "{\"b\":2}"), ("h", "")])
        {
            let Part::ToolCall {
                id,
                name,
                arguments,
                ..
            } = part
            else {
                panic!("{part:?}");
            };
            assert_eq!((&**name, &**arguments), (wanted, json));
            assert!(!id.is_empty() && ids.insert(id));
        }
    }

    #[test]
    fn thoughts_and_texts_may_come_as_a_list() {
        let choice = json!({"message": {"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
            {"type": "text", "text": "a"}, {"type": "reference"}, 7,
        ]}});
        let thinking = Part::Thinking {
            text: "hm".to_owned(),
            signature: None,
        };
        assert_eq!(read(choice).unwrap().parts, [thinking, Part::text("a")]);
    }

    #[test]
    fn half_a_character_is_replaced() {
        let body = br#"{"choices":[{"message":{"content":"a\ud83c","refusal":"\udf0d"}}]}"#;
        let answer = read_answer(body).unwrap();
        let expected = [
            Part::text("a\u{fffd}"),
            Part::Refusal("\u{fffd}".to_owned()),
        ];
        assert_eq!(answer.choices[0].parts, expected);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[1]}"#,
            r#"{"choices":{}}"#,
        ] {
            let fault = read_answer(body.as_bytes()).unwrap_err();
            assert_eq!(fault.kind, Kind::Internal, "{body}");
        }
        let fault = read_answer(br#"{"error":{"message":"slow","code":429}}"#).unwrap_err();
        assert_eq!((fault.kind, &*fault.message), (Kind::RateLimited, "slow"));
    }
}
