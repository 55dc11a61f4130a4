use serde::Serialize;

use super::block::{Block, Kind};
use crate::openai::{
    response_error,
    responses::{
        item::{Content, Item, Summary},
        response::json,
    },
};

/// Writes events, and numbers them.
#[derive(Debug, Default)]
pub(super) struct Events {
    sequence: u64,
}

impl Events {
    /// An event up to its own fields.
    pub(super) fn begin(&mut self, kind: &'static str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        json(out, &self.sequence);
        self.sequence += 1;
    }

    pub(super) fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"}\n\n");
    }

    pub(super) fn item(
        &mut self,
        kind: &'static str,
        index: usize,
        item: &Item<'_>,
        out: &mut Vec<u8>,
    ) {
        self.begin(kind, out);
        field(out, b",\"output_index\":", &index);
        field(out, b",\"item\":", item);
        Self::end(out);
    }

    pub(super) fn part_added(&mut self, block: &Block, id: &str, out: &mut Vec<u8>) {
        self.begin(block.kind.part_added(), out);
        place(block, id, out);
        let empty = "".into();
        match block.kind {
            Kind::Text => field(out, PART, &Content::text(empty)),
            Kind::Refusal => field(out, PART, &Content::Refusal { refusal: empty }),
            Kind::Thinking => field(out, PART, &Summary { text: empty }),
        }
        Self::end(out);
    }

    pub(super) fn delta(&mut self, block: &Block, id: &str, text: &str, out: &mut Vec<u8>) {
        self.begin(block.kind.delta(), out);
        place(block, id, out);
        field(out, b",\"delta\":", text);
        if block.kind == Kind::Text {
            out.extend_from_slice(b",\"logprobs\":[]"); // All of them come when the text is done.
        }
        Self::end(out);
    }

    pub(super) fn part_done(&mut self, block: &Block, item: &Item<'_>, out: &mut Vec<u8>) {
        self.begin(block.kind.done(), out);
        place(block, item.id(), out);
        match item {
            Item::Message { content, .. } => {
                let part = &content[block.part];
                match part {
                    Content::OutputText { text, logprobs, .. } => {
                        field(out, b",\"text\":", text);
                        field(out, b",\"logprobs\":", logprobs);
                    }
                    Content::Refusal { refusal } => field(out, b",\"refusal\":", refusal),
                }
                self.part(block, item, part, out);
            }
            Item::Reasoning { summary, .. } => {
                let part = &summary[block.part];
                field(out, b",\"text\":", &part.text);
                self.part(block, item, part, out);
            }
            _ => Self::end(out),
        }
    }

    pub(super) fn arguments_delta(
        &mut self,
        index: usize,
        id: &str,
        delta: &str,
        out: &mut Vec<u8>,
    ) {
        self.begin("response.function_call_arguments.delta", out);
        owner(id, index, out);
        field(out, b",\"delta\":", delta);
        Self::end(out);
    }

    pub(super) fn arguments_done(&mut self, index: usize, item: &Item<'_>, out: &mut Vec<u8>) {
        if let Item::FunctionCall {
            id,
            name,
            arguments,
            ..
        } = item
        {
            self.begin("response.function_call_arguments.done", out);
            owner(id, index, out);
            field(out, b",\"name\":", name);
            field(out, b",\"arguments\":", arguments);
            Self::end(out);
        }
    }

    pub(super) fn error(&mut self, message: &str, code: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        json(
            out,
            &response_error::Event::new(message, code, self.sequence),
        );
        out.extend_from_slice(b"\n\n");
        self.sequence += 1;
    }

    /// Ends the event that says a part's text, and tells of the part.
    fn part(&mut self, block: &Block, item: &Item<'_>, part: &impl Serialize, out: &mut Vec<u8>) {
        Self::end(out);
        self.begin(block.kind.part_done(), out);
        place(block, item.id(), out);
        field(out, PART, part);
        Self::end(out);
    }
}

fn place(block: &Block, id: &str, out: &mut Vec<u8>) {
    owner(id, block.item, out);
    field(out, block.kind.part_key(), &block.part);
}

/// The ids are our own, so nothing in them needs an escape.
fn owner(id: &str, index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"item_id\":\"");
    out.extend_from_slice(id.as_bytes());
    out.push(b'"');
    field(out, b",\"output_index\":", &index);
}

fn field(out: &mut Vec<u8>, key: &[u8], value: &(impl Serialize + ?Sized)) {
    out.extend_from_slice(key);
    json(out, value);
}

const PART: &[u8] = b",\"part\":";
