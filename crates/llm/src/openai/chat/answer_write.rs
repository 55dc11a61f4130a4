use crate::{
    canon::{Answer, Ask, Carried, Choice, Part},
    openai::{
        chat::{finish_reason, text_of},
        chunks, usage,
        write::{List, Object},
    },
};

/// Writes an answer as a chat completion. The question does not matter here: its reader takes no more than is told.
pub(crate) fn write_answer(answer: &Answer, _ask: &Ask) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut body = Object::new(&mut out);
    chunks::head(
        &mut body,
        (CHAT_ID, "chat.completion"),
        (&answer.id, &answer.model, answer.created),
    );
    let mut choices = body.list("choices");
    for (index, choice) in answer.choices.iter().enumerate() {
        write_choice(index, choice, &mut choices);
    }
    drop(choices);
    if let Some(used) = &answer.usage {
        usage::write(used, &mut body.object("usage"));
    }
    drop(body);
    out
}

/// How the ids of chat completions begin.
pub(super) const CHAT_ID: &str = "chatcmpl-";

fn write_choice(index: usize, choice: &Choice, choices: &mut List<'_>) {
    let mut object = choices.object();
    object.field("index", index);
    let mut message = object.object("message");
    message.field("role", "assistant");
    message.field(
        "content",
        text_of(&choice.parts, |part| match part {
            Part::Text { text, .. } => Some(text),
            _ => None,
        }),
    );
    message.field(
        "refusal",
        text_of(&choice.parts, |part| match part {
            Part::Refusal(text) => Some(text),
            _ => None,
        }),
    );
    message.maybe(
        "reasoning_content",
        text_of(&choice.parts, |part| match part {
            Part::Thinking { text, .. } => Some(text),
            _ => None,
        }),
    );
    if choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall { .. }))
    {
        calls(&choice.parts, &mut message.list("tool_calls"));
    }
    drop(message);
    object.field("logprobs", choice.logprobs.as_ref());
    object.field("finish_reason", finish_reason(&choice.finish));
}

fn calls(parts: &[Part], calls: &mut List<'_>) {
    let mut from = 0;
    for (at, part) in parts.iter().enumerate() {
        if let Part::ToolCall {
            id,
            name,
            arguments,
            ..
        } = part
        {
            let carried = Carried::before_call(&parts[from..=at]);
            from = at + 1;
            let mut call = calls.object();
            call.field("id", carried.into_id(id));
            call.field("type", "function");
            let mut function = call.object("function");
            function.field("name", name);
            let empty = arguments.is_empty();
            function.field("arguments", if empty { "{}" } else { arguments });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::write_answer;
    use crate::{
        Dialect,
        canon::{Answer, Ask, Carried, Choice, Finish, Part, Signature},
        openai::chat::NAMES,
    };

    fn write(parts: Vec<Part>, finish: Finish) -> Value {
        let answer = Answer {
            id: "x".to_owned(),
            model: "m".to_owned(),
            created: 7,
            choices: vec![Choice {
                parts,
                finish,
                logprobs: None,
            }],
            usage: Some(Usage {
                input: 5,
                cache_read: 3,
                cache_write: 2,
                cache_write_1h: 1,
                output: 4,
                reasoning: 1,
                estimated: false,
            }),
        };
        serde_json::from_slice(&write_answer(&answer, &Ask::new(&NAMES))).unwrap()
    }

    #[test]
    fn a_whole_answer_has_every_field_that_sdks_want() {
        let answer = write(vec![Part::text("a"), Part::text("b")], Finish::Stop);
        let expected = json!({
            "id": "x", "object": "chat.completion", "created": 7, "model": "m",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn every_reason_has_openais_word() {
        for (finish, word) in [
            (Finish::Stop, "stop"),
            (Finish::StopSequence(Some("x".to_owned())), "stop"),
            (Finish::Pause, "stop"),
            (Finish::Length, "length"),
            (Finish::ContextWindow, "length"),
            (Finish::ToolCalls, "tool_calls"),
            (Finish::Filtered, "content_filter"),
        ] {
            assert_eq!(write(vec![], finish)["choices"][0]["finish_reason"], word);
        }
    }

    #[test]
    fn signatures_ride_in_the_ids_of_the_calls_that_they_stand_before() {
        let signature = |value: &str| Signature {
            origin: Dialect::Anthropic,
            value: value.to_owned(),
        };
        let call = |id: &str| Part::ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: String::new(),
            signature: None,
            cached: false,
        };
        let thinking = Part::Thinking {
            text: "hm".to_owned(),
            signature: Some(signature("s1")),
        };
        let answer = write(
            vec![
                thinking,
                Part::text("a"),
                call("c1"),
                call("c2"),
                Part::Redacted(signature("s2")),
                call("c3"),
            ],
            Finish::ToolCalls,
        );
        let message = &answer["choices"][0]["message"];
        assert_eq!(message["reasoning_content"], "hm");
        let ids: Vec<(&str, Carried)> = (0..3)
            .map(|index| Carried::from_id(message["tool_calls"][index]["id"].as_str().unwrap()))
            .collect();
        assert_eq!(
            ids[0].1.thinking,
            [(Some("hm".to_owned()), signature("s1"))]
        );
        assert_eq!(ids[1], ("c2", Carried::default()));
        assert_eq!(ids[2].1.thinking, [(None, signature("s2"))]);
        assert_eq!(message["tool_calls"][1]["function"]["arguments"], "{}");
    }
}
