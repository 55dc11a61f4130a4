//! What the dialect can say comes back as it was.

mod strategies;

use proptest::prelude::*;

use self::strategies::{answers, asks};
use super::{NAMES, StreamReader, StreamWriter, read_answer, read_ask, write_answer, write_ask};
use crate::canon::{
    Answer, Ask, Choice, Delta, Finish, Losses, Part, ReadStream, Target, WriteStream,
};

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was(ask in asks()) {
        let target = Target { model: &ask.model, max_output: 1, version: "2023-06-01", legacy_max_tokens: false };
        let mut losses = Losses::default();
        let written = write_ask(&ask, &target, &mut losses);
        prop_assert!(losses.is_empty(), "{losses:?}");
        prop_assert_eq!(read_ask(&written).unwrap(), ask);
    }

    #[test]
    fn an_answer_comes_back_as_it_was(answer in answers()) {
        let written = write_answer(&answer, &Ask::new(&NAMES));
        prop_assert_eq!(read_answer(&written).unwrap(), answer);
    }

    #[test]
    fn a_streamed_answer_comes_back_as_it_was(answer in answers(), cut in 1_usize..5) {
        let (mut writer, mut reader) = (StreamWriter::new(&Ask::new(&NAMES)), StreamReader::default());
        let (mut bytes, mut deltas) = (Vec::new(), Vec::new());
        for delta in streamed(&answer, cut) {
            writer.write(delta, &mut bytes);
        }
        for event in String::from_utf8(bytes).unwrap().split_terminator("\n\n") {
            let data = event.split_once("\ndata: ").unwrap().1;
            reader.read(data.as_bytes(), &mut deltas).unwrap();
        }
        prop_assert_eq!(deltas.last(), Some(&Delta::Done));
        prop_assert_eq!(joined(deltas), answer);
    }
}

/// The answer in pieces of so many characters.
fn streamed(answer: &Answer, cut: usize) -> Vec<Delta> {
    let (choice, mut tools) = (0, 0);
    let pieces = |text: &str| {
        let chars: Vec<_> = text.chars().collect();
        chars.chunks(cut).map(String::from_iter).collect::<Vec<_>>()
    };
    let mut deltas = vec![Delta::Start {
        id: answer.id.clone(),
        model: answer.model.clone(),
        created: 0,
    }];
    for part in &answer.choices[0].parts {
        match part.clone() {
            Part::Text { text, .. } => deltas.extend(
                pieces(&text)
                    .into_iter()
                    .map(|text| Delta::Text { choice, text }),
            ),
            Part::Thinking { text, signature } => {
                deltas.extend(
                    pieces(&text)
                        .into_iter()
                        .map(|text| Delta::Thinking { choice, text }),
                );
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
                let index = tools;
                tools += 1;
                deltas.push(Delta::ToolCall {
                    choice,
                    index,
                    id,
                    name,
                    signature,
                });
                deltas.extend(pieces(&arguments).into_iter().map(|json| Delta::Arguments {
                    choice,
                    index,
                    json,
                }));
            }
            _ => unreachable!(),
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

/// The answer that a stream tells.
pub(super) fn joined(deltas: Vec<Delta>) -> Answer {
    let mut answer = Answer {
        id: String::new(),
        model: String::new(),
        created: 0,
        choices: Vec::new(),
        usage: None,
    };
    let (mut parts, mut end) = (Vec::new(), Finish::Pause);
    for delta in deltas {
        match (delta, parts.last_mut()) {
            (Delta::Start { id, model, .. }, _) => (answer.id, answer.model) = (id, model),
            (Delta::Text { text: more, .. }, Some(Part::Text { text, .. }))
            | (
                Delta::Thinking { text: more, .. },
                Some(Part::Thinking {
                    text,
                    signature: None,
                }),
            ) => text.push_str(&more),
            (Delta::Text { text, .. }, _) => parts.push(Part::text(text)),
            (Delta::Thinking { text, .. }, _) => parts.push(Part::Thinking {
                text,
                signature: None,
            }),
            (
                Delta::Signed { signature, .. },
                Some(Part::Thinking {
                    signature: place @ None,
                    ..
                }),
            ) => *place = Some(signature),
            (Delta::Signed { signature, .. }, _) => parts.push(Part::Thinking {
                text: String::new(),
                signature: Some(signature),
            }),
            (Delta::Redacted { signature, .. }, _) => parts.push(Part::Redacted(signature)),
            (Delta::Refusal { text, .. }, _) => parts.push(Part::Refusal(text)),
            (
                Delta::ToolCall {
                    id,
                    name,
                    signature,
                    ..
                },
                _,
            ) => {
                parts.push(Part::ToolCall {
                    id,
                    name,
                    arguments: String::new(),
                    signature,
                    cached: false,
                });
            }
            (Delta::Arguments { json, .. }, Some(Part::ToolCall { arguments, .. })) => {
                arguments.push_str(&json)
            }
            (Delta::Finish { finish, .. }, _) => end = finish,
            (Delta::Usage(usage), _) => answer.usage = Some(usage),
            (Delta::Done | Delta::Ping, _) => {}
            (delta, _) => panic!("{delta:?} comes out of order"),
        }
    }
    answer.choices.push(Choice {
        parts,
        finish: end,
        logprobs: None,
    });
    answer
}
