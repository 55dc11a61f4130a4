//! OpenAI's older completions of a text, in front of models that chat.

use serde_json::Value;
use tollgate_core::Rejection;

use super::{
    chat::{self, finish_reason, text_of},
    chunks::{self, Chunks},
    fields, usage,
    write::Object,
};
use crate::{
    canon::{Answer, Ask, Delta, Finish, Names, Part, Role, Turn, WriteStream},
    json::{self, Path},
};

/// Reads a request for a completion: the text is what a user says.
pub(crate) fn read_ask(body: &[u8]) -> Result<Ask, Rejection> {
    let mut ask = Ask::new(&NAMES);
    let (mut prompt, mut best_of) = (None, 1);
    for (key, value) in json::body(body)? {
        if value.is_null() {
            continue;
        }
        let at = Path::Body.key(&key);
        let Some(value) = fields::read(&key, value, at, &mut ask)? else {
            continue;
        };
        match key.as_str() {
            "prompt" => prompt = Some(value),
            "max_tokens" => ask.max_output = Some(json::count(&value, at)?),
            "best_of" => best_of = json::count(&value, at)?,
            "echo" => {
                if json::flag(&value, at)? {
                    ask.losses.field("echo");
                }
            }
            "suffix" => {
                if !json::text(value, at)?.is_empty() {
                    ask.losses.field("suffix");
                }
            }
            // Its form, by offsets in the text, is not that of chat completions.
            _ => ask.losses.field(at.to_string()),
        }
    }
    fields::finish(&ask)?;
    // As many as are given are no choice.
    if best_of > 1 && best_of != u64::from(ask.choices) {
        ask.losses.field("best_of");
    }
    let prompt = prompt.ok_or_else(|| json::missing(Path::Body.key("prompt")))?;
    read_prompt(prompt, &mut ask)?;
    Ok(ask)
}

/// Writes an answer as a completion.
pub(crate) fn write_answer(answer: &Answer, _ask: &Ask) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut body = Object::new(&mut out);
    chunks::head(&mut body, KIND, (&answer.id, &answer.model, answer.created));
    let mut choices = body.list("choices");
    for (index, choice) in answer.choices.iter().enumerate() {
        let mut object = choices.object();
        let text = text_of(&choice.parts, |part| match part {
            Part::Text { text, .. } | Part::Refusal(text) => Some(text),
            _ => None,
        });
        object.field("text", text.unwrap_or_default());
        object.field("index", index);
        object.field("logprobs", ());
        object.field("finish_reason", reason(&choice.finish));
    }
    drop(choices);
    if let Some(used) = &answer.usage {
        usage::write(used, &mut body.object("usage"));
    }
    drop(body);
    out
}

/// Writes a stream of completions.
#[derive(Debug)]
pub(crate) struct StreamWriter(Chunks);

impl StreamWriter {
    pub(crate) const fn new(ask: &Ask) -> Self {
        Self(Chunks::new(KIND, ask.stream_usage))
    }

    fn chunk(&mut self, choice: u32, text: &str, finish: Option<&Finish>, out: &mut Vec<u8>) {
        self.0.chunk(choice, out, |object| {
            object.field("text", text);
            object.field("logprobs", ());
            object.field("finish_reason", finish.map(reason));
        });
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model, created } => self.0.start(&id, &model, created),
            Delta::Text { choice, text } | Delta::Refusal { choice, text } => {
                self.chunk(choice, &text, None, out);
            }
            Delta::Finish { choice, finish } => self.chunk(choice, "", Some(&finish), out),
            Delta::Usage(usage) => self.0.tell(usage),
            Delta::Done => self.0.end(out),
            // A completion is a text and nothing else; tools cannot be asked for.
            Delta::Thinking { .. }
            | Delta::Signed { .. }
            | Delta::Redacted { .. }
            | Delta::ToolCall { .. }
            | Delta::Arguments { .. }
            | Delta::Logprobs { .. }
            | Delta::Ping
            | Delta::Failed(_) => {}
        }
    }
}

/// A text is what a user says. Lists of them, and tokens, are for models that complete texts.
fn read_prompt(prompt: Value, ask: &mut Ask) -> Result<(), Rejection> {
    let at = Path::Body.key("prompt");
    let text = match prompt {
        Value::String(text) => text,
        Value::Array(mut list) if !list.is_empty() => match list.pop() {
            Some(Value::String(text)) if list.is_empty() => text,
            Some(Value::String(_) | Value::Number(_) | Value::Array(_)) => {
                ask.losses.field("prompt");
                return Ok(());
            }
            _ => return Err(json::unfit(at, "a string")),
        },
        _ => return Err(json::unfit(at, "a string")),
    };
    ask.turns.push(Turn {
        role: Role::User,
        parts: vec![Part::text(text)],
        at: 0,
    });
    Ok(())
}

const fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::ToolCalls => "stop",
        finish => finish_reason(finish),
    }
}

/// How ids begin, and what an answer is called, also in pieces.
const KIND: chunks::Kind = ("cmpl-", "text_completion");

/// What completions call things.
pub(crate) static NAMES: Names = Names {
    system: "prompt",
    turns: "prompt",
    max_output: "max_tokens",
    ..chat::NAMES
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::{NAMES, StreamWriter, read_ask, write_answer};
    use crate::canon::{Answer, Ask, Choice, Delta, Finish, Part, Role, Turn, WriteStream};

    fn read(fields: Value) -> Result<Ask, tollgate_core::Rejection> {
        let mut body = json!({"model": "m", "prompt": "say"});
        let more = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        read_ask(body.to_string().as_bytes())
    }

    #[test]
    fn a_prompt_is_what_a_user_says() {
        for prompt in [json!("say"), json!(["say"])] {
            let ask = read(json!({"prompt": prompt, "max_tokens": 5, "best_of": 1, "echo": false, "suffix": null,
                "logprobs": null, "temperature": 0.5}))
            .unwrap();
            let turn = Turn {
                role: Role::User,
                parts: vec![Part::text("say")],
                at: 0,
            };
            assert_eq!(ask.turns, [turn]);
            assert_eq!(
                (ask.max_output, ask.sampling.temperature),
                (Some(5), Some(0.5))
            );
            assert!(ask.losses.is_empty());
        }
    }

    #[test]
    fn what_a_chat_cannot_do_is_named() {
        for (fields, name) in [
            (json!({"prompt": ["a", "b"]}), "prompt"),
            (json!({"prompt": [1, 2]}), "prompt"),
            (json!({"prompt": [[1], [2]]}), "prompt"),
            (json!({"suffix": "x"}), "suffix"),
            (json!({"echo": true}), "echo"),
            (json!({"best_of": 3}), "best_of"),
            (json!({"logprobs": 0}), "logprobs"),
            (json!({"messages": []}), "messages"),
        ] {
            assert_eq!(read(fields).unwrap().losses.fields(), [name]);
        }
        assert!(
            read(json!({"best_of": 2, "n": 2}))
                .unwrap()
                .losses
                .is_empty()
        );
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        for (fields, param) in [
            (json!({"prompt": null}), "prompt"),
            (json!({"prompt": []}), "prompt"),
            (json!({"prompt": [null]}), "prompt"),
            (json!({"prompt": {}}), "prompt"),
            (json!({"echo": 1}), "echo"),
            (json!({"max_tokens": -1}), "max_tokens"),
            (json!({"model": null}), "model"),
        ] {
            let refused = read(fields.clone()).unwrap_err();
            assert_eq!(refused.details()["param"], param, "{fields}");
        }
    }

    #[test]
    fn an_answer_is_written_as_a_completion() {
        let answer = Answer {
            id: "x".to_owned(),
            model: "m".to_owned(),
            created: 7,
            choices: vec![Choice {
                parts: vec![Part::text("a"), Part::text("b")],
                finish: Finish::Length,
                logprobs: None,
            }],
            usage: None,
        };
        let body = write_answer(&answer, &Ask::new(&NAMES));
        let expected = json!({"id": "x", "object": "text_completion", "created": 7, "model": "m",
            "choices": [{"text": "ab", "index": 0, "logprobs": null, "finish_reason": "length"}]});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn a_stream_is_written_as_completions() {
        let mut ask = Ask::new(&NAMES);
        ask.stream_usage = true;
        let mut writer = StreamWriter::new(&ask);
        let mut out = Vec::new();
        for delta in [
            Delta::Start {
                id: "x".to_owned(),
                model: "m".to_owned(),
                created: 7,
            },
            Delta::Thinking {
                choice: 0,
                text: "hm".to_owned(),
            },
            Delta::Text {
                choice: 0,
                text: "a".to_owned(),
            },
            Delta::Finish {
                choice: 0,
                finish: Finish::Stop,
            },
            Delta::Usage(Usage::default()),
            Delta::Done,
        ] {
            writer.write(delta, &mut out);
        }
        let head =
            r#"data: {"id":"x","object":"text_completion","created":7,"model":"m","choices":["#;
        let usage = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}"#;
        let expected = [
            head,
            r#"{"index":0,"text":"a","logprobs":null,"finish_reason":null}],"usage":null}"#,
            "\n\n",
            head,
            r#"{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            "\n\n",
            head,
            r#"],"usage":"#,
            usage,
            "}\n\ndata: [DONE]\n\n",
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
    }
}
