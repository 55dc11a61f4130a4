mod pending;

use std::io::Write;

use tollgate_core::fact::Usage;

use self::pending::{Call, Pending, Scan};
use super::{
    answer_write::{head, told},
    block::{call, redacted},
    fields::{Fields, json},
    finish, signature, usage,
};
use crate::canon::{Ask, Delta, Finish, WriteStream};

/// Writes a stream of a message: its blocks one after the other, though tool calls may come to it interleaved.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    /// The model, as the caller named it.
    model: String,
    /// The block that is being written; its number is one less than `next`.
    open: Option<Open>,
    next: u64,
    pending: Pending,
    refused: bool,
    finish: Option<Finish>,
    usage: Usage,
}

#[derive(Clone, Copy, Debug)]
enum Open {
    Text,
    Thinking,
    Tool { index: u32, scan: Scan },
}

impl StreamWriter {
    pub(crate) fn new(ask: &Ask) -> Self {
        Self {
            model: ask.model.clone(),
            open: None,
            next: 0,
            pending: Pending::default(),
            refused: false,
            finish: None,
            usage: Usage::default(),
        }
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Start { id, model, .. } => event(out, "message_start", |fields| {
                let mut message = Fields::begin(fields.key("message"));
                head(&mut message, &id, &model, &self.model);
                message.key("content").extend_from_slice(b"[]");
                message.put("stop_reason", &());
                message.put("stop_sequence", &());
                // What is known at the end stands there; clients take it from there.
                usage::write(message.key("usage"), &self.usage);
                message.end();
            }),
            Delta::Text { choice: 0, text } => self.text(&text, out),
            Delta::Refusal { choice: 0, text } => {
                self.refused = true;
                self.text(&text, out);
            }
            Delta::Thinking { choice: 0, text } if !text.is_empty() => {
                self.think(out);
                self.piece("thinking_delta", "thinking", &text, out);
            }
            Delta::Signed {
                choice: 0,
                signature,
            } => {
                self.think(out);
                self.piece(
                    "signature_delta",
                    "signature",
                    &signature::seal(&signature),
                    out,
                );
                self.close(out);
            }
            Delta::Redacted {
                choice: 0,
                signature,
            } => {
                self.close_all(out);
                self.begin(out, |out| redacted(out, &signature));
                self.end_block(out);
            }
            Delta::ToolCall {
                choice: 0,
                index,
                id,
                name,
                signature,
            } => {
                let call = Call {
                    index,
                    id,
                    name,
                    signature,
                    json: String::new(),
                };
                match self.open {
                    Some(Open::Tool { scan, .. }) if !scan.is_complete() => {
                        if let Some(calls) = self.pending.push(call) {
                            self.close(out);
                            calls.into_iter().for_each(|call| self.whole(&call, out));
                        }
                    }
                    _ => {
                        self.close_all(out);
                        self.call(&call, out);
                    }
                }
            }
            Delta::Arguments {
                choice: 0,
                index,
                json,
            } => self.arguments(index, &json, out),
            Delta::Finish { choice: 0, finish } => self.finish = Some(finish),
            Delta::Usage(usage) => self.usage = usage,
            Delta::Ping => event(out, "ping", |_| {}),
            Delta::Done => self.end(out),
            // There is one answer, and no place for log probabilities.
            _ => {}
        }
    }
}

impl StreamWriter {
    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open, Some(Open::Text)) {
            self.close_all(out);
            self.begin(out, |out| {
                out.extend_from_slice(br#"{"type":"text","text":""}"#)
            });
            self.open = Some(Open::Text);
        }
        self.piece("text_delta", "text", text, out);
    }

    fn think(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Thinking)) {
            self.close_all(out);
            let block = br#"{"type":"thinking","thinking":"","signature":""}"#;
            self.begin(out, |out| out.extend_from_slice(block));
            self.open = Some(Open::Thinking);
        }
    }

    fn arguments(&mut self, index: u32, json: &str, out: &mut Vec<u8>) {
        match &mut self.open {
            Some(Open::Tool { index: open, scan }) if *open == index => {
                scan.feed(json);
                let complete = scan.is_complete();
                self.piece("input_json_delta", "partial_json", json, out);
                if complete {
                    self.go_on(out);
                }
            }
            _ => {
                if let Some(calls) = self.pending.append(index, json) {
                    self.close(out);
                    calls.into_iter().for_each(|call| self.whole(&call, out));
                }
            }
        }
    }

    /// Begins the next calls that waited, after one that is complete.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        while let Some(call) = self.pending.pop() {
            self.close(out);
            self.call(&call, out);
            if !matches!(self.open, Some(Open::Tool { scan, .. }) if scan.is_complete()) {
                return;
            }
        }
    }

    /// Begins a call, with what is known of its arguments.
    fn call(&mut self, it: &Call, out: &mut Vec<u8>) {
        self.begin(out, |out| {
            let mut block = call(out, &it.id, &it.name, it.signature.as_ref());
            block.key("input").extend_from_slice(b"{}");
            block.end();
        });
        let mut scan = Scan::default();
        if !it.json.is_empty() {
            scan.feed(&it.json);
            self.piece("input_json_delta", "partial_json", &it.json, out);
        }
        self.open = Some(Open::Tool {
            index: it.index,
            scan,
        });
    }

    fn whole(&mut self, call: &Call, out: &mut Vec<u8>) {
        self.call(call, out);
        self.close(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>, block: impl FnOnce(&mut Vec<u8>)) {
        event(out, "content_block_start", |fields| {
            fields.put("index", &self.next);
            block(fields.key("content_block"));
        });
        self.next += 1;
    }

    fn piece(&self, kind: &str, name: &str, text: &str, out: &mut Vec<u8>) {
        out.reserve(text.len() + 160);
        out.extend_from_slice(PIECE);
        // Writing to memory cannot fail.
        let _ = write!(out, "{}", self.next.saturating_sub(1));
        out.extend_from_slice(br#","delta":{"type":""#);
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#"",""#);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(br#"":"#);
        json(out, text);
        out.extend_from_slice(b"}}\n\n");
    }

    /// Ends the open block, and writes the calls that waited for its end.
    fn close_all(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        while let Some(call) = self.pending.pop() {
            self.whole(&call, out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.end_block(out);
        }
    }

    fn end_block(&self, out: &mut Vec<u8>) {
        let index = self.next.saturating_sub(1);
        event(out, "content_block_stop", |fields| {
            fields.put("index", &index)
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close_all(out);
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        let (reason, sequence) = finish::write(told(&finish, self.refused));
        event(out, "message_delta", |fields| {
            let mut delta = Fields::begin(fields.key("delta"));
            delta.put("stop_reason", reason);
            delta.put("stop_sequence", &sequence);
            delta.end();
            usage::write(fields.key("usage"), &self.usage);
        });
        event(out, "message_stop", |_| {});
    }
}

fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Fields<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut fields = Fields::of_type(out, name);
    write(&mut fields);
    fields.end();
    out.extend_from_slice(b"\n\n");
}

const PIECE: &[u8] =
    b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";

#[cfg(test)]
mod tests;
