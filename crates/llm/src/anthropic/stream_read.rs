mod event;

use serde_json::Value;
use tollgate_core::fact::Usage;

use self::event::{BlockDelta, DeltaKind, Event, Kind, Stop};
use super::{
    answer_read::{explanation, part, unknown},
    fault, finish, signature, usage,
};
use crate::{
    canon::{Delta, Fault, Part, ReadStream},
    halves::Halves,
};

/// Reads a stream of a message; also the events that Bedrock wraps.
#[derive(Debug, Default)]
pub(crate) struct StreamReader {
    /// Those that have begun and not ended; commonly one.
    blocks: Vec<Block>,
    tools: u32,
    usage: Option<Usage>,
    started: bool,
    finished: bool,
    /// After the end mark, or an error.
    ended: bool,
}

impl ReadStream for StreamReader {
    fn read(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let Some(event) = Event::read(data)? else {
            return Ok(());
        };
        self.event(event, out)
    }

    /// A stream that is complete has said so; what is still held back is half a character.
    fn finish(&mut self, out: &mut Vec<Delta>) {
        if !self.ended {
            self.blocks.iter_mut().for_each(|block| block.flush(out));
        }
    }
}

impl StreamReader {
    fn event(&mut self, event: Event, out: &mut Vec<Delta>) -> Result<(), Fault> {
        match event.kind {
            Kind::Ping => out.push(Delta::Ping),
            Kind::Error => {
                self.ended = true;
                let error = event.error.unwrap_or_default();
                out.push(Delta::Failed(fault::of_error(&error, None)));
            }
            Kind::MessageStart => self.start(event.message.unwrap_or_default(), out)?,
            Kind::Other => {}
            _ if !self.started => return Err(fault::broken("the stream has no start")),
            Kind::ContentBlockStart => {
                let block = event.content_block.unwrap_or_default();
                self.open(event.index, block, out)?;
            }
            Kind::ContentBlockDelta => {
                let delta = event.delta.unwrap_or_default();
                self.delta(event.index, delta, out)?;
            }
            Kind::ContentBlockStop => self.close(event.index, out),
            Kind::MessageDelta => {
                self.used(event.usage.as_ref(), out);
                let delta = event.delta.unwrap_or_default();
                let stop = Stop {
                    stop_reason: delta.stop_reason,
                    stop_sequence: delta.stop_sequence,
                    stop_details: delta.stop_details,
                };
                self.stop(stop, out)?;
            }
            Kind::MessageStop if self.finished => {
                self.ended = true;
                out.push(Delta::Done);
            }
            Kind::MessageStop => return Err(fault::broken("the stream ends without a reason")),
        }
        Ok(())
    }

    fn start(&mut self, mut message: Value, out: &mut Vec<Delta>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let text = |name: &str| {
            let text = message.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        out.push(Delta::Start {
            id: text("id"),
            model: text("model"),
            created: 0,
        });
        self.used(message.get("usage"), out);
        // Where the provider's own tools call the caller's, the message is whole at its start.
        if let Some(Value::Array(blocks)) = message.get_mut("content").map(Value::take) {
            for block in blocks {
                self.open(u64::MAX, block, out)?;
                self.close(u64::MAX, out);
            }
        }
        self.stop(serde_json::from_value(message).unwrap_or_default(), out)
    }

    fn stop(&mut self, stop: Stop, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let Some(reason) = stop.stop_reason.filter(|it| !it.is_empty()) else {
            return Ok(());
        };
        let finish = finish::read(&reason, stop.stop_sequence);
        let finish = finish.ok_or_else(|| unknown(&reason))?;
        if !std::mem::replace(&mut self.finished, true) {
            self.close_all(out);
            let text = explanation(stop.stop_details.as_ref());
            out.extend(text.map(|text| Delta::Refusal { choice: 0, text }));
            out.push(Delta::Finish { choice: 0, finish });
        }
        Ok(())
    }

    fn open(&mut self, index: u64, block: Value, out: &mut Vec<Delta>) -> Result<(), Fault> {
        self.close(index, out);
        if self.blocks.len() >= MOST {
            return Err(fault::broken("the stream has too many blocks at once"));
        }
        let choice = 0;
        let mut kind = BlockKind::Other;
        match part(block) {
            Some(Part::Text { text, .. }) => {
                kind = BlockKind::Text;
                if !text.is_empty() {
                    out.push(Delta::Text { choice, text });
                }
            }
            Some(Part::Thinking { text, signature }) => {
                if !text.is_empty() {
                    out.push(Delta::Thinking { choice, text });
                }
                let signature = signature.map(|it| it.value).unwrap_or_default();
                kind = BlockKind::Thinking { signature };
            }
            Some(Part::Redacted(signature)) => out.push(Delta::Redacted { choice, signature }),
            Some(Part::ToolCall {
                id,
                name,
                arguments,
                ..
            }) => {
                let index = self.tools;
                self.tools = index.saturating_add(1);
                let signature = None;
                out.push(Delta::ToolCall {
                    choice,
                    index,
                    id,
                    name,
                    signature,
                });
                // The whole input stands here, or comes in pieces.
                kind = BlockKind::Tool {
                    index,
                    input: Some(arguments),
                };
            }
            _ => {}
        }
        let halves = Halves::default();
        self.blocks.push(Block {
            index,
            kind,
            halves,
        });
        Ok(())
    }

    fn delta(&mut self, index: u64, delta: BlockDelta, out: &mut Vec<Delta>) -> Result<(), Fault> {
        let choice = 0;
        let at = match self.blocks.iter().position(|block| block.index == index) {
            Some(at) => at,
            None => {
                // Some servers do not say that a block begins.
                let block = match delta.kind {
                    DeltaKind::TextDelta => serde_json::json!({ "type": "text" }),
                    DeltaKind::ThinkingDelta => serde_json::json!({ "type": "thinking" }),
                    _ => return Ok(()),
                };
                self.open(index, block, out)?;
                self.blocks.len() - 1
            }
        };
        let block = &mut self.blocks[at];
        match (&mut block.kind, delta.kind) {
            (BlockKind::Text, DeltaKind::TextDelta) => {
                if let Some(text) = joined(delta.text, &mut block.halves) {
                    out.push(Delta::Text { choice, text });
                }
            }
            (BlockKind::Thinking { .. }, DeltaKind::ThinkingDelta) => {
                if let Some(text) = joined(delta.thinking, &mut block.halves) {
                    out.push(Delta::Thinking { choice, text });
                }
            }
            (BlockKind::Thinking { signature }, DeltaKind::SignatureDelta) => {
                signature.push_str(&delta.signature.unwrap_or_default());
            }
            (BlockKind::Tool { index, input }, DeltaKind::InputJsonDelta) => {
                if let Some(json) = joined(delta.partial_json, &mut block.halves) {
                    *input = None;
                    let index = *index;
                    out.push(Delta::Arguments {
                        choice,
                        index,
                        json,
                    });
                }
            }
            _ => {} // Citations, and what the provider's own tools do.
        }
        Ok(())
    }

    fn close(&mut self, index: u64, out: &mut Vec<Delta>) {
        if let Some(at) = self.blocks.iter().position(|block| block.index == index) {
            self.blocks.remove(at).end(out);
        }
    }

    fn close_all(&mut self, out: &mut Vec<Delta>) {
        self.blocks.drain(..).for_each(|block| block.end(out));
    }

    fn used(&mut self, counts: Option<&Value>, out: &mut Vec<Delta>) {
        let before = self.usage;
        self.usage = counts
            .and_then(|counts| usage::read(counts, before))
            .or(before);
        if self.usage != before {
            out.extend(self.usage.map(Delta::Usage));
        }
    }
}

#[derive(Debug)]
struct Block {
    index: u64,
    kind: BlockKind,
    halves: Halves,
}

#[derive(Debug)]
enum BlockKind {
    Text,
    Thinking {
        signature: String,
    },
    Tool {
        index: u32,
        /// The input from the block's start, until a piece of it comes.
        input: Option<String>,
    },
    Other,
}

impl Block {
    /// Gives what stands for half a character without the other.
    fn flush(&mut self, out: &mut Vec<Delta>) {
        let Some(rest) = self.halves.finish() else {
            return;
        };
        let (choice, text) = (0, rest.to_string());
        out.push(match self.kind {
            BlockKind::Text => Delta::Text { choice, text },
            BlockKind::Thinking { .. } => Delta::Thinking { choice, text },
            BlockKind::Tool { index, .. } => Delta::Arguments {
                choice,
                index,
                json: text,
            },
            BlockKind::Other => return,
        });
    }

    fn end(mut self, out: &mut Vec<Delta>) {
        self.flush(out);
        let choice = 0;
        match self.kind {
            BlockKind::Thinking { signature } if !signature.is_empty() => {
                let signature = signature::own(signature);
                out.push(Delta::Signed { choice, signature });
            }
            BlockKind::Tool {
                index,
                input: Some(json),
            } => {
                out.push(Delta::Arguments {
                    choice,
                    index,
                    json,
                });
            }
            _ => {}
        }
    }
}

fn joined(text: Option<String>, halves: &mut Halves) -> Option<String> {
    let mut text = text?;
    halves.join(&mut text);
    (!text.is_empty()).then_some(text)
}

/// So many blocks may be open. The provider opens one after the other.
const MOST: usize = 64;

#[cfg(test)]
mod tests;
