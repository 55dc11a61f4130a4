//! Thoughts of other models on their way through a caller of this dialect.

use serde_json::{Value, json};

use super::{asked, data, nobody, write_events};
use crate::{
    Dialect,
    canon::{Answer, Carried, Choice, Delta, Finish, Part, Signature},
    gemini::write_answer,
};

fn theirs(value: &str) -> Signature {
    Signature {
        origin: Dialect::Anthropic,
        value: value.to_owned(),
    }
}

fn parts() -> Vec<Part> {
    vec![
        Part::Thinking {
            text: "hm".to_owned(),
            signature: Some(theirs("EqQ/+==")),
        },
        Part::Redacted(theirs("r")),
        Part::ToolCall {
            id: "1".to_owned(),
            name: "f".to_owned(),
            arguments: "{}".to_owned(),
            signature: Some(theirs("c")),
            cached: false,
        },
    ]
}

#[test]
fn a_caller_sends_back_what_it_was_given() {
    let answer = Answer {
        id: String::new(),
        model: String::new(),
        created: 0,
        choices: vec![Choice {
            parts: parts(),
            finish: Finish::ToolCalls,
            logprobs: None,
        }],
        usage: None,
    };
    let body: Value = serde_json::from_slice(&write_answer(&answer, &nobody())).unwrap();

    let ask = asked(&json!({"contents": [body["candidates"][0]["content"]]}));

    assert_eq!(ask.turns[0].parts, parts());
    assert!(ask.losses.is_empty());
}

#[test]
fn a_stream_carries_the_same() {
    let stream = write_events(
        [
            Delta::Thinking {
                choice: 0,
                text: "h".to_owned(),
            },
            Delta::Thinking {
                choice: 0,
                text: "m".to_owned(),
            },
            Delta::Signed {
                choice: 0,
                signature: theirs("s"),
            },
            Delta::Redacted {
                choice: 0,
                signature: theirs("r"),
            },
            Delta::ToolCall {
                choice: 0,
                index: 0,
                id: "1".to_owned(),
                name: "f".to_owned(),
                signature: Some(theirs("c")),
            },
            Delta::Finish {
                choice: 0,
                finish: Finish::ToolCalls,
            },
            Delta::Done,
        ],
        &nobody(),
        false,
    );
    let events = data(&stream).into_iter();
    let parts: Vec<Value> = events
        .map(|event| {
            serde_json::from_str::<Value>(event).unwrap()["candidates"][0]["content"]["parts"][0]
                .take()
        })
        .collect();

    let ask = asked(&json!({"contents": [{"role": "model", "parts": parts}]}));

    let signatures = ask.turns[0].parts.iter().filter_map(|part| match part {
        Part::Thinking { signature, .. } | Part::ToolCall { signature, .. } => signature.clone(),
        Part::Redacted(signature) => Some(signature.clone()),
        _ => None,
    });
    assert!(signatures.eq(["s", "r", "c"].map(theirs)));
}

#[test]
fn what_an_id_carries_is_undone() {
    let carried = Carried::before_call(&parts());
    let id = carried.into_id("1");
    let ask = asked(&json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "id": id}}]},
        {"parts": [{"functionResponse": {"name": "f", "id": id, "response": {}}}]},
    ]}));
    assert_eq!(ask.turns[0].parts, parts());
    assert!(matches!(&ask.turns[1].parts[0], Part::ToolResult { id, .. } if id == "1"));
}

#[test]
fn thoughts_of_a_caller_that_are_not_signed_stay_thoughts() {
    let ask = asked(&json!({"contents": [{"role": "model", "parts": [
        {"text": "hm", "thought": true},
        {"functionCall": {"name": "f"}, "thoughtSignature": "skip_thought_signature_validator"},
        {"text": "so", "thoughtSignature": "AAAA"},
    ]}]}));
    let [thinking, Part::ToolCall { signature, .. }, text] = &*ask.turns[0].parts else {
        panic!("three parts");
    };
    assert_eq!(
        thinking,
        &Part::Thinking {
            text: "hm".to_owned(),
            signature: None
        }
    );
    assert_eq!((signature, text), (&None, &Part::text("so")));
}
