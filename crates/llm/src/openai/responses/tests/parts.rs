use proptest::prelude::*;
use tollgate_core::fact::Usage;

use crate::{
    Dialect,
    canon::{Answer, Choice, Delta, Finish, Part, Signature},
};

/// Answers as models give them; texts in a row are one.
pub(super) fn answer() -> impl Strategy<Value = Answer> {
    let parts = proptest::collection::vec(part(), 0..6).prop_map(joined);
    let finish = prop_oneof![
        Just(Finish::Stop),
        Just(Finish::ToolCalls),
        Just(Finish::Length),
        Just(Finish::Filtered),
        Just(Finish::StopSequence(None)),
    ];
    (parts, finish, any::<[u16; 5]>()).prop_map(|(parts, finish, counts)| Answer {
        id: "chatcmpl-1".to_owned(),
        model: "m-1".to_owned(),
        created: 1_700_000_000,
        choices: vec![Choice {
            parts,
            finish,
            logprobs: None,
        }],
        usage: Some(Usage {
            input: counts[0].into(),
            cache_read: counts[1].into(),
            cache_write: counts[2].into(),
            output: counts[3].into(),
            reasoning: counts[4].into(),
            ..Usage::default()
        }),
    })
}

/// The stream that gives this answer.
pub(super) fn deltas(answer: &Answer) -> Vec<Delta> {
    let mut deltas = vec![Delta::Start {
        id: answer.id.clone(),
        model: answer.model.clone(),
        created: answer.created,
    }];
    let (choice, mut index) = (0, 0);
    for part in answer.choices[0].parts.clone() {
        match part {
            Part::Text { text, .. } => {
                deltas.extend(halves(&text).map(|text| Delta::Text { choice, text }));
            }
            Part::Refusal(text) => {
                deltas.extend(halves(&text).map(|text| Delta::Refusal { choice, text }));
            }
            Part::Thinking { text, signature } => {
                deltas.extend(halves(&text).map(|text| Delta::Thinking { choice, text }));
                deltas.extend(signature.map(|signature| Delta::Signed { choice, signature }));
            }
            Part::Redacted(signature) => deltas.push(Delta::Redacted { choice, signature }),
            Part::ToolCall {
                id,
                name,
                arguments,
                signature,
                ..
            } => {
                deltas.push(Delta::ToolCall {
                    choice,
                    index,
                    id,
                    name,
                    signature,
                });
                deltas.extend(halves(&arguments).map(|json| Delta::Arguments {
                    choice,
                    index,
                    json,
                }));
                index += 1;
            }
            _ => unreachable!("models give none"),
        }
    }
    deltas.push(Delta::Finish {
        choice,
        finish: answer.choices[0].finish.clone(),
    });
    deltas.extend(answer.usage.map(Delta::Usage));
    deltas.push(Delta::Done);
    deltas
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        ".{1,8}".prop_map(Part::text),
        ".{1,8}".prop_map(Part::Refusal),
        (".{0,8}", signature()).prop_map(|(text, signature)| Part::Thinking {
            text,
            signature: Some(signature),
        }),
        ".{1,8}".prop_map(|text| Part::Thinking {
            text,
            signature: None,
        }),
        signature().prop_map(Part::Redacted),
        (
            "[a-z0-9_]{1,8}",
            "[a-z]{1,4}",
            proptest::option::of(signature())
        )
            .prop_map(|(id, name, signature)| Part::ToolCall {
                id,
                name,
                arguments: r#"{"a":"b\n"}"#.to_owned(),
                signature,
                cached: false,
            }),
    ]
}

fn signature() -> impl Strategy<Value = Signature> {
    let origin = prop_oneof![Just(Dialect::Anthropic), Just(Dialect::Gemini)];
    (origin, ".{1,8}").prop_map(|(origin, value)| Signature { origin, value })
}

fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Part::Text { text, .. }), Part::Text { text: more, .. })
            | (Some(Part::Refusal(text)), Part::Refusal(more)) => text.push_str(&more),
            // Nothing in a stream ends thinking that is not signed, but another block.
            (
                Some(Part::Thinking {
                    signature: None, ..
                }),
                Part::Thinking { .. },
            ) => {}
            (_, part) => joined.push(part),
        }
    }
    joined
}

fn halves(text: &str) -> impl Iterator<Item = String> + use<> {
    let middle = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let (first, second) = text.split_at(middle.unwrap_or(0));
    [first.to_owned(), second.to_owned()].into_iter()
}
