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
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::StreamWriter;
    use crate::{
        Dialect,
        canon::{Ask, Carried, Delta, Finish, Signature, WriteStream},
        openai::chat::NAMES,
    };

    fn write(stream_usage: bool, deltas: Vec<Delta>) -> Vec<Value> {
        let mut ask = Ask::new(&NAMES);
        ask.stream_usage = stream_usage;
        let mut writer = StreamWriter::new(&ask);
        let mut out = Vec::new();
        for delta in deltas {
            writer.write(delta, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        let events = out.split_terminator("\n\n");
        events
            .map(|event| {
                let data = event.strip_prefix("data: ").unwrap();
                serde_json::from_str(data).unwrap_or_else(|_| json!(data))
            })
            .collect()
    }

    fn start() -> Delta {
        Delta::Start {
            id: "x".to_owned(),
            model: "m".to_owned(),
            created: 7,
        }
    }

    fn text(choice: u32, text: &str) -> Delta {
        Delta::Text {
            choice,
            text: text.to_owned(),
        }
    }

    fn chunk(index: u32, delta: Value, finish_reason: Value) -> Value {
        json!({
            "id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m",
            "choices": [{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
        })
    }

    #[test]
    fn a_stream_is_written_as_openai_writes_it() {
        let usage = Usage {
            input: 3,
            output: 2,
            ..Usage::default()
        };
        let finish = Delta::Finish {
            choice: 0,
            finish: Finish::Stop,
        };
        let deltas = vec![
            start(),
            text(0, "a\""),
            Delta::Ping,
            Delta::Usage(usage),
            finish,
            Delta::Done,
        ];
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        let mut expected = vec![
            chunk(0, role, Value::Null),
            chunk(0, json!({"content": "a\""}), Value::Null),
            chunk(0, json!({}), json!("stop")),
            json!("[DONE]"),
        ];
        assert_eq!(write(false, deltas.clone()), expected);

        for chunk in &mut expected[..3] {
            chunk["usage"] = Value::Null;
        }
        let mut last = expected[0].clone();
        last["choices"] = json!([]);
        last["usage"] = json!({
            "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        });
        expected.insert(3, last);
        assert_eq!(write(true, deltas), expected);
    }

    #[test]
    fn each_choice_begins_with_its_role() {
        let events = write(
            false,
            vec![start(), text(1, "b"), text(0, "a"), text(1, "c")],
        );
        let said: Vec<(u64, bool)> = events
            .iter()
            .map(|event| {
                let choice = &event["choices"][0];
                (
                    choice["index"].as_u64().unwrap(),
                    choice["delta"]["role"].is_string(),
                )
            })
            .collect();
        assert_eq!(
            said,
            [(0, true), (1, true), (1, false), (0, false), (1, false)]
        );
    }

    #[test]
    fn a_call_carries_what_was_thought_before_it() {
        let signature = |value: &str| Signature {
            origin: Dialect::Gemini,
            value: value.to_owned(),
        };
        let call = |index, own: Option<Signature>| Delta::ToolCall {
            choice: 0,
            index,
            id: format!("c{index}"),
            name: "f".to_owned(),
            signature: own,
        };
        let think = |text: &str| Delta::Thinking {
            choice: 0,
            text: text.to_owned(),
        };
        let arguments = Delta::Arguments {
            choice: 0,
            index: 1,
            json: "{}".to_owned(),
        };
        let signed = Delta::Signed {
            choice: 0,
            signature: signature("s"),
        };
        let events = write(
            false,
            vec![
                start(),
                think("h"),
                think("m"),
                signed,
                call(0, Some(signature("own"))),
                think("unsigned"),
                call(1, None),
                arguments,
            ],
        );
        let id = |event: &Value| {
            let id = &event["choices"][0]["delta"]["tool_calls"][0]["id"];
            id.as_str().unwrap().to_owned()
        };
        let carried = Carried {
            signature: Some(signature("own")),
            thinking: vec![(Some("hm".to_owned()), signature("s"))],
        };
        assert_eq!(Carried::from_id(&id(&events[3])), ("c0", carried));
        assert_eq!(id(&events[5]), "c1");
        let piece = &events[6]["choices"][0]["delta"]["tool_calls"][0];
        assert_eq!(*piece, json!({"index": 1, "function": {"arguments": "{}"}}));
    }

    #[test]
    fn a_broken_stream_has_no_end_mark() {
        let events = write(true, vec![start(), text(0, "a")]);
        assert_eq!(events.len(), 2);
    }
}
