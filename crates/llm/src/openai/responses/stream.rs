mod block;
mod calls;
mod events;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;
use tollgate_core::fact::Usage;

use self::{
    block::{Block, Kind},
    events::Events,
};
use super::{
    answer::logprobs,
    item::{Content, Item, Status},
    response::{Response, State, incomplete},
    seal,
};
use crate::canon::{Ask, Delta, Finish, Signature, WriteStream};

/// Writes a response as it comes. The whole of it is said once more at the end, so it is kept until then.
pub(crate) struct StreamWriter {
    response: Response,
    events: Events,
    /// As they stand; the index is the output's.
    items: Vec<Item<'static>>,
    /// Where text goes on.
    open: Option<Block>,
    /// Tool calls by their index in the answer. They may interleave, so they stay open to its end.
    calls: BTreeMap<u32, usize>,
    /// Of a text that is to come.
    logprobs: Vec<Value>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    /// How much is kept, in bytes.
    kept: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    New,
    Begun,
    Ended,
}

impl StreamWriter {
    /// Writes the response to this.
    pub(crate) fn new(ask: &Ask) -> Self {
        Self {
            response: Response::to(ask),
            events: Events::default(),
            items: Vec::new(),
            open: None,
            calls: BTreeMap::new(),
            logprobs: Vec::new(),
            finish: None,
            usage: None,
            kept: 0,
            phase: Phase::New,
        }
    }

    /// Ends a stream that has failed: an error, and the response as far as it came.
    pub(crate) fn fail(&mut self, message: &str, code: &str, out: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.begin(out);
        self.phase = Phase::Ended;
        for status in self.items.iter_mut().filter_map(Item::status) {
            if *status == Status::InProgress {
                *status = Status::Incomplete;
            }
        }
        self.events.error(message, code, out);
        // A response has a closed list of codes; the event before it has ours.
        let code = match code {
            "rate_limit_exceeded" | "invalid_prompt" => code,
            _ => "server_error",
        };
        let state = State::Failed { code, message };
        self.tell("response.failed", state, out);
    }

    fn start(&mut self, id: &str, model: &str, created: u64, out: &mut Vec<u8>) {
        if self.phase == Phase::New {
            self.phase = Phase::Begun;
            self.response.name(id, model, created);
            self.tell("response.created", State::InProgress, out);
            self.tell("response.in_progress", State::InProgress, out);
        }
    }

    /// Begins where the provider has not said who answers. The ids of items are made of the response's.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.start("", "", 0, out);
    }

    fn say(&mut self, kind: Kind, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let block = match self.open {
            Some(block) if block.kind == kind => block,
            _ => self.open(kind, out),
        };
        self.kept += text.len();
        let item = &mut self.items[block.item];
        self.events.delta(&block, item.id(), text, out);
        block.push(item, text);
    }

    /// Begins a part of this kind, in the message that is open if it belongs there.
    fn open(&mut self, kind: Kind, out: &mut Vec<u8>) -> Block {
        self.begin(out);
        let going_on = self
            .open
            .filter(|open| open.kind.is_said() && kind.is_said());
        let item = match going_on {
            Some(open) => {
                self.events.part_done(&open, &self.items[open.item], out);
                open.item
            }
            None => {
                self.close(Status::Completed, out);
                let id = self.response.item_id(kind.prefix(), self.items.len());
                self.add(kind.item(id), out)
            }
        };
        self.kept += OVERHEAD;
        let block = Block::begin(kind, item, &mut self.items[item]);
        if kind == Kind::Text {
            self.take_logprobs(block);
        }
        self.events.part_added(&block, self.items[item].id(), out);
        self.open = Some(block);
        block
    }

    /// Closes the part and the item that are open.
    fn close(&mut self, status: Status, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            self.events.part_done(&open, &self.items[open.item], out);
            self.end(open.item, status, out);
        }
    }

    fn add(&mut self, item: Item<'static>, out: &mut Vec<u8>) -> usize {
        let index = self.items.len();
        self.kept += OVERHEAD;
        self.events
            .item("response.output_item.added", index, &item, out);
        self.items.push(item);
        index
    }

    fn end(&mut self, index: usize, status: Status, out: &mut Vec<u8>) {
        let item = &mut self.items[index];
        item.end(status);
        self.events
            .item("response.output_item.done", index, item, out);
    }

    /// What was thought goes out sealed, with the text that is open if that is what it signs.
    fn seal(&mut self, signature: &Signature, redacted: bool, out: &mut Vec<u8>) {
        self.begin(out);
        let thinks = |open: &Block| open.kind == Kind::Thinking && !redacted;
        let index = match self.open.filter(thinks) {
            Some(open) => {
                self.open = None;
                self.events.part_done(&open, &self.items[open.item], out);
                open.item
            }
            None => {
                self.close(Status::Completed, out);
                let kind = Kind::Thinking;
                let id = self.response.item_id(kind.prefix(), self.items.len());
                self.add(kind.item(id), out)
            }
        };
        if let Item::Reasoning {
            summary,
            encrypted_content,
            ..
        } = &mut self.items[index]
        {
            let text = summary.first().map_or("", |summary| &*summary.text);
            let sealed = seal::close((!redacted).then_some(text), signature);
            self.kept += sealed.len();
            *encrypted_content = Some(sealed);
        }
        self.end(index, Status::Completed, out);
    }

    /// Closes all that is open; an answer that is cut is cut in its last item.
    fn finish(&mut self, out: &mut Vec<u8>) {
        let last = self.items.len().saturating_sub(1);
        let cut = self.finish.as_ref().and_then(incomplete).is_some();
        let status = |item| match cut && item == last {
            true => Status::Incomplete,
            false => Status::Completed,
        };
        if let Some(open) = &self.open {
            self.close(status(open.item), out);
        }
        self.close_calls(status, out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.finish(out);
        self.phase = Phase::Ended;
        let finish = self.finish.take();
        let kind = match finish.as_ref().and_then(incomplete) {
            Some(_) => "response.incomplete",
            None => "response.completed",
        };
        self.tell(kind, State::Ended(finish.as_ref()), out);
    }

    fn tell(&mut self, kind: &'static str, state: State<'_>, out: &mut Vec<u8>) {
        self.events.begin(kind, out);
        out.extend_from_slice(b",\"response\":");
        self.response.write(state, &self.items, self.usage, out);
        Events::end(out);
    }

    fn take_logprobs(&mut self, block: Block) {
        if let Item::Message { content, .. } = &mut self.items[block.item]
            && let Some(Content::OutputText { logprobs, .. }) = content.last_mut()
        {
            logprobs.append(&mut self.logprobs);
        }
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        match delta {
            Delta::Text { choice: 0, text } => self.say(Kind::Text, &text, out),
            Delta::Arguments {
                choice: 0,
                index,
                json,
            } => {
                if let Some(item) = self.calls.get(&index) {
                    self.argue(*item, &json, out);
                }
            }
            Delta::Thinking { choice: 0, text } => self.say(Kind::Thinking, &text, out),
            Delta::Refusal { choice: 0, text } => self.say(Kind::Refusal, &text, out),
            Delta::Signed {
                choice: 0,
                signature,
            } => self.seal(&signature, false, out),
            Delta::Redacted {
                choice: 0,
                signature,
            } => self.seal(&signature, true, out),
            Delta::ToolCall {
                choice: 0,
                index,
                id,
                name,
                signature,
            } => self.call(index, &id, name, signature.as_ref(), out),
            Delta::Logprobs {
                choice: 0,
                logprobs: told,
            } => {
                let told = logprobs(Some(&told));
                self.kept += told.len() * OVERHEAD;
                self.logprobs.extend(told);
                if let Some(open) = self.open.filter(|open| open.kind == Kind::Text) {
                    self.take_logprobs(open);
                }
            }
            Delta::Finish { choice: 0, finish } => {
                self.begin(out);
                self.finish = Some(finish);
                self.finish(out);
            }
            Delta::Start { id, model, created } => self.start(&id, &model, created, out),
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::Done => self.done(out),
            // A response has one answer. There is no event that only says that somebody is still there.
            _ => {}
        }
        if self.kept > MOST {
            self.fail(
                "the response is too long to be held",
                "response_too_long",
                out,
            );
        }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("items", &self.items.len())
            .field("kept", &self.kept)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// The longest response, in bytes; far beyond what a model writes, and within what one caller may cost.
const MOST: usize = 16 << 20;
/// What an item takes besides its text, roughly.
const OVERHEAD: usize = 256;
