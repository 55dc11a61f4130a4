use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use super::{
    Meter,
    text::{is_text, texts, value},
};
use crate::{anthropic, dialect::Api, gemini, openai};

/// What an event is to whoever passes it on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A part of the answer, or a comment.
    Part,
    /// The extra chunk with the usage.
    Usage,
    /// An error in mid-stream.
    Error,
    /// The end mark.
    Done,
}

impl Meter {
    /// Reads an event by its data. Most are passed after a few searches, without being parsed.
    pub(crate) fn read(&mut self, data: &[u8]) -> Event {
        match self.api {
            Api::Messages => self.message(data),
            Api::Generate | Api::StreamGenerate { .. } => self.content(data),
            Api::Responses => self.response(data),
            _ => self.chunk(data),
        }
    }

    /// Counts what came of an event before the stream broke off within it: the provider has written it.
    pub(crate) fn read_half(&mut self, data: &[u8]) {
        match self.api {
            Api::Messages => self.part(data, b"", &DELTAS),
            Api::Generate | Api::StreamGenerate { .. } => self.part(data, b"", &[b"\"text\""]),
            Api::Responses => self.part(data, b"", &[b"\"delta\""]),
            _ => self.part(data, b"", &TEXTS),
        }
    }

    /// OpenAI's chunks of chats and completions.
    fn chunk(&mut self, data: &[u8]) -> Event {
        if data.trim_ascii() == b"[DONE]" {
            self.finished = true;
            return Event::Done;
        }
        let mut told = None;
        if let Some(at) = memmem::find(data, USAGE)
            && !value(&data[at + USAGE.len()..]).starts_with(b"null")
            && let Some(chunk) = openai::Chunk::read(data)
        {
            told = chunk.usage(self.told);
            if chunk.is_only_usage() {
                if let Some(usage) = told {
                    self.tell(usage);
                }
                return Event::Usage;
            }
        }
        if is_error(data) {
            return Event::Error;
        }
        if let Some(at) = memmem::find(data, FINISH) {
            self.finished |= is_text(&data[at + FINISH.len()..]);
        }
        self.part(data, b"\"choices\"", &TEXTS);
        // Said beside a part, it includes the part.
        if let Some(usage) = told {
            self.tell(usage);
        }
        Event::Part
    }

    /// Anthropic's events.
    fn message(&mut self, data: &[u8]) -> Event {
        match &*kind(data) {
            "content_block_delta" => self.part(data, b"\"delta\"", &DELTAS),
            // A tool's name is output as well.
            "content_block_start" => self.part(data, b"\"content_block\"", &BLOCKS),
            "message_stop" => {
                self.finished = true;
                return Event::Done;
            }
            "error" => return Event::Error,
            "ping" | "content_block_stop" => {}
            _ => {
                self.heard(anthropic::stream_usage(data, self.told));
            }
        }
        Event::Part
    }

    /// Gemini's chunks. They have no end mark: a reason to finish stands in the last.
    fn content(&mut self, data: &[u8]) -> Event {
        if is_error(data) {
            return Event::Error;
        }
        let ends =
            |key: &[u8]| memmem::find(data, key).is_some_and(|at| is_text(&data[at + key.len()..]));
        self.finished |= ends(b"\"finishReason\"") || ends(b"\"blockReason\"");
        // A running total, this chunk included.
        if !self.heard(gemini::stream_usage(data, self.told)) {
            if memmem::find(data, b"\"functionCall\"").is_some() {
                self.chunks += 1;
                self.text.add(data);
            } else {
                self.part(data, b"\"candidates\"", &[b"\"text\""]);
            }
        }
        Event::Part
    }

    /// The events of OpenAI's responses.
    fn response(&mut self, data: &[u8]) -> Event {
        let kind = kind(data);
        if kind.ends_with(".delta") {
            self.part(data, b"", &[b"\"delta\""]);
            return Event::Part;
        }
        let event = match &*kind {
            "response.completed" | "response.incomplete" => Event::Done,
            "response.failed" | "response.cancelled" | "error" => Event::Error,
            "response.output_item.added" => {
                self.part(data, b"\"item\"", &[b"\"name\""]);
                return Event::Part;
            }
            _ => return Event::Part,
        };
        self.heard(openai::responses::stream_usage(data, self.told));
        self.finished |= event == Event::Done;
        event
    }

    /// A part of the answer, whose texts stand in these fields after a first word.
    fn part(&mut self, data: &[u8], after: &[u8], keys: &[&[u8]]) {
        self.chunks += 1;
        for text in texts(data, after, keys) {
            self.text.add(text);
        }
    }
}

/// An event's own `type`, with which nearly all begin. Servers that sort their fields have those of its parts before it.
fn kind(data: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, default)]
        r#type: Cow<'a, str>,
    }
    let first = data.trim_ascii_start().strip_prefix(b"{");
    let first = first.map(<[u8]>::trim_ascii_start);
    if let Some(rest) = first.and_then(|data| data.strip_prefix(b"\"type\""))
        && let Some(text) = value(rest).strip_prefix(b"\"")
        && let Some(end) = memchr::memchr2(b'"', b'\\', text)
        && text[end] == b'"'
        && let Ok(kind) = std::str::from_utf8(&text[..end])
    {
        return Cow::Borrowed(kind);
    }
    serde_json::from_slice(data).map_or(Cow::Borrowed(""), |Typed { r#type }| r#type)
}

/// Whether the first thing in it is an error; some servers put it into a list.
fn is_error(data: &[u8]) -> bool {
    let data = data.trim_ascii_start();
    let data = data.strip_prefix(b"[").unwrap_or(data).trim_ascii_start();
    let data = data.strip_prefix(b"{").unwrap_or(data).trim_ascii_start();
    data.strip_prefix(b"\"error\"")
        .is_some_and(|rest| !value(rest).starts_with(b"null"))
}

/// The fields that hold what a model has written, the reasoning of compatible servers too.
const TEXTS: [&[u8]; 7] = [
    b"\"name\"",
    b"\"content\"",
    b"\"arguments\"",
    b"\"text\"",
    b"\"refusal\"",
    b"\"reasoning_content\"",
    b"\"reasoning\"",
];
const BLOCKS: [&[u8]; 3] = [b"\"text\"", b"\"thinking\"", b"\"name\""];
const DELTAS: [&[u8]; 3] = [b"\"text\"", b"\"partial_json\"", b"\"thinking\""];
/// Inside a text it would be escaped.
const USAGE: &[u8] = b"\"usage\"";
const FINISH: &[u8] = b"\"finish_reason\"";
