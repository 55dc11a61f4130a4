use crate::{
    canon::{Answer, Choice, Delta, Fault, Finish, Part, ReadStream},
    openai::chat::StreamReader,
};

/// Reads a stream of these events to its end, as a service would.
pub(super) fn read(
    events: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<Vec<Delta>, Fault> {
    let mut reader = StreamReader::default();
    let mut deltas = Vec::new();
    for event in events {
        reader.read(event.as_ref(), &mut deltas)?;
    }
    reader.finish(&mut deltas);
    Ok(deltas)
}

/// The answer that a stream makes up, if it is complete; checks the order that deltas promise.
pub(super) fn gather(deltas: &[Delta]) -> Option<Answer> {
    let mut answer = Answer {
        id: String::new(),
        model: String::new(),
        created: 0,
        choices: Vec::new(),
        usage: None,
    };
    let (mut started, mut done) = (false, false);
    let mut finished = Vec::new();
    for delta in deltas {
        assert!(!done, "after the end: {delta:?}");
        if let Some(choice) = number(delta) {
            assert!(started, "before the start: {delta:?}");
            assert!(!finished.contains(&choice), "after its end: {delta:?}");
        }
        match delta.clone() {
            Delta::Start { id, model, created } => {
                assert!(!started);
                started = true;
                (answer.id, answer.model, answer.created) = (id, model, created);
            }
            Delta::Text { choice, text } => {
                let parts = parts(&mut answer, choice);
                match parts.last_mut() {
                    Some(Part::Text { text: all, .. }) => all.push_str(&text),
                    _ => parts.push(Part::text(text)),
                }
            }
            Delta::Thinking { choice, text: more } => {
                let parts = parts(&mut answer, choice);
                match parts.last_mut() {
                    Some(Part::Thinking { text, .. }) => text.push_str(&more),
                    _ => parts.push(Part::Thinking {
                        text: more,
                        signature: None,
                    }),
                }
            }
            Delta::Refusal { choice, text } => {
                let parts = parts(&mut answer, choice);
                match parts.last_mut() {
                    Some(Part::Refusal(all)) => all.push_str(&text),
                    _ => parts.push(Part::Refusal(text)),
                }
            }
            Delta::ToolCall {
                choice,
                index,
                id,
                name,
                signature,
            } => {
                let parts = parts(&mut answer, choice);
                assert_eq!(calls(parts).count(), index as usize);
                parts.push(Part::ToolCall {
                    id,
                    name,
                    arguments: String::new(),
                    signature,
                    cached: false,
                });
            }
            Delta::Arguments {
                choice,
                index,
                json,
            } => {
                let call = calls(parts(&mut answer, choice)).nth(index as usize);
                call.expect("a call begins first").push_str(&json);
            }
            Delta::Finish { choice, finish } => {
                parts(&mut answer, choice);
                answer.choices[choice as usize].finish = finish;
                finished.push(choice);
            }
            Delta::Usage(usage) => answer.usage = Some(usage),
            Delta::Done => done = true,
            Delta::Failed(fault) => panic!("{fault:?}"),
            Delta::Logprobs { .. }
            | Delta::Signed { .. }
            | Delta::Redacted { .. }
            | Delta::Ping => {}
        }
    }
    done.then(|| {
        assert_eq!(finished.len(), answer.choices.len());
        answer
    })
}

const fn number(delta: &Delta) -> Option<u32> {
    match delta {
        Delta::Text { choice, .. }
        | Delta::Thinking { choice, .. }
        | Delta::Refusal { choice, .. }
        | Delta::ToolCall { choice, .. }
        | Delta::Arguments { choice, .. }
        | Delta::Logprobs { choice, .. }
        | Delta::Finish { choice, .. } => Some(*choice),
        _ => None,
    }
}

fn parts(answer: &mut Answer, choice: u32) -> &mut Vec<Part> {
    while answer.choices.len() <= choice as usize {
        answer.choices.push(Choice {
            parts: Vec::new(),
            finish: Finish::Pause,
            logprobs: None,
        });
    }
    &mut answer.choices[choice as usize].parts
}

/// The arguments of the tool calls, in their order.
fn calls(parts: &mut [Part]) -> impl Iterator<Item = &mut String> {
    parts.iter_mut().filter_map(|part| match part {
        Part::ToolCall { arguments, .. } => Some(arguments),
        _ => None,
    })
}
