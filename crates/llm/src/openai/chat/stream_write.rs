use super::{answer_write::CHAT_ID, finish_reason};
use crate::{
    canon::{Ask, Carried, Delta, Signature, WriteStream},
    openai::{chunks::Chunks, fields::MOST_CHOICES, write::Object},
};

/// Writes a stream of chat completion chunks.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    chunks: Chunks,
    /// By number, each that has begun.
    choices: Vec<Option<Choice>>,
}

impl StreamWriter {
    pub(crate) const fn new(ask: &Ask) -> Self {
        Self {
            chunks: Chunks::new((CHAT_ID, "chat.completion.chunk"), ask.stream_usage),
            choices: Vec::new(),
        }
    }

    /// The choice of this number, which begins with a chunk that says who speaks.
    fn begin(&mut self, number: u32, out: &mut Vec<u8>) -> Option<&mut Choice> {
        if number >= MOST_CHOICES {
            return None; // More than can be asked for.
        }
        let at = number as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, || None);
        }
        if self.choices[at].is_none() {
            self.delta(number, out, |delta| {
                delta.field("role", "assistant");
                delta.field("content", "");
                delta.field("refusal", ());
            });
        }
        Some(self.choices[at].get_or_insert_default())
    }

    /// A chunk with this delta.
    fn delta(&mut self, choice: u32, out: &mut Vec<u8>, content: impl FnOnce(&mut Object<'_>)) {
        self.chunks.chunk(choice, out, |object| {
            content(&mut object.object("delta"));
            object.field("logprobs", ());
            object.field("finish_reason", ());
        });
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model, created } => {
                self.chunks.start(&id, &model, created);
                self.begin(0, out);
            }
            Delta::Text { choice, text } => {
                if self.begin(choice, out).is_some() {
                    self.delta(choice, out, |delta| delta.field("content", text));
                }
            }
            Delta::Thinking { choice, text } => {
                if let Some(state) = self.begin(choice, out) {
                    state.think(&text);
                    self.delta(choice, out, |delta| delta.field("reasoning_content", text));
                }
            }
            Delta::Signed { choice, signature } => {
                if let Some(state) = self.begin(choice, out) {
                    state.sign(signature);
                }
            }
            Delta::Redacted { choice, signature } => {
                if let Some(state) = self.begin(choice, out) {
                    state.carry(None, signature);
                }
            }
            Delta::Refusal { choice, text } => {
                if self.begin(choice, out).is_some() {
                    self.delta(choice, out, |delta| delta.field("refusal", text));
                }
            }
            Delta::ToolCall {
                choice,
                index,
                id,
                name,
                signature,
            } => {
                let Some(state) = self.begin(choice, out) else {
                    return;
                };
                let id = state.take(signature).into_id(&id);
                self.delta(choice, out, |delta| {
                    let mut calls = delta.list("tool_calls");
                    let mut call = calls.object();
                    call.field("index", index);
                    call.field("id", id);
                    call.field("type", "function");
                    let mut function = call.object("function");
                    function.field("name", name);
                    function.field("arguments", "");
                });
            }
            Delta::Arguments {
                choice,
                index,
                json,
            } => {
                if self.begin(choice, out).is_some() {
                    self.delta(choice, out, |delta| {
                        let mut calls = delta.list("tool_calls");
                        let mut call = calls.object();
                        call.field("index", index);
                        call.object("function").field("arguments", json);
                    });
                }
            }
            Delta::Logprobs { choice, logprobs } => {
                if self.begin(choice, out).is_some() {
                    self.chunks.chunk(choice, out, |object| {
                        drop(object.object("delta"));
                        object.field("logprobs", logprobs);
                        object.field("finish_reason", ());
                    });
                }
            }
            Delta::Finish { choice, finish } => {
                if self.begin(choice, out).is_some() {
                    self.chunks.chunk(choice, out, |object| {
                        drop(object.object("delta"));
                        object.field("logprobs", ());
                        object.field("finish_reason", finish_reason(&finish));
                    });
                }
            }
            Delta::Usage(usage) => self.chunks.tell(usage),
            Delta::Done => self.chunks.end(out),
            Delta::Ping | Delta::Failed(_) => {}
        }
    }
}

/// What must ride in the id of a choice's next tool call.
#[derive(Debug, Default)]
struct Choice {
    carried: Carried,
    /// What is being thought.
    thought: String,
    held: usize,
}

impl Choice {
    fn think(&mut self, text: &str) {
        if self.thought.len() <= MOST_THOUGHT {
            self.thought.push_str(text);
        }
    }

    fn sign(&mut self, signature: Signature) {
        let thought = std::mem::take(&mut self.thought);
        self.carry(Some(thought), signature);
    }

    /// More than an id can carry is not kept: then all of it stays behind.
    fn carry(&mut self, thought: Option<String>, signature: Signature) {
        self.held += thought.as_ref().map_or(0, String::len) + signature.value.len();
        if self.held <= MOST_THOUGHT {
            self.carried.thinking.push((thought, signature));
        } else {
            self.carried.thinking.clear();
        }
    }

    fn take(&mut self, signature: Option<Signature>) -> Carried {
        self.held = 0;
        self.thought.clear();
        Carried {
            signature,
            ..std::mem::take(&mut self.carried)
        }
    }
}

/// About what an id can carry.
const MOST_THOUGHT: usize = 96 << 10;

#[cfg(test)]
mod tests;
