use memchr::memmem;

use super::{
    Meter,
    text::{end_of_string, is_text, texts, value},
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
        self.streams = true;
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
        if let Some(chunk) = openai::Chunk::with_usage(data) {
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
        match kind(data) {
            b"content_block_delta" => self.part(data, b"\"delta\"", &DELTAS),
            // A tool's name is output as well.
            b"content_block_start" => self.part(data, b"\"content_block\"", &BLOCKS),
            b"message_stop" => {
                self.finished = true;
                return Event::Done;
            }
            b"error" => return Event::Error,
            b"ping" | b"content_block_stop" => {}
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
        if kind.ends_with(b".delta") {
            self.part(data, b"", &[b"\"delta\""]);
            return Event::Part;
        }
        let event = match kind {
            b"response.completed" | b"response.incomplete" => Event::Done,
            b"response.failed" | b"response.cancelled" | b"error" => Event::Error,
            b"response.output_item.added" => {
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

/// The event's own `type`. It mostly stands first; where it follows, those of its parts come before it.
fn kind(data: &[u8]) -> &[u8] {
    let Some(at) = own(data, b"type") else {
        return b"";
    };
    let text = value(at).strip_prefix(b"\"").unwrap_or_default();
    let end = memchr::memchr(b'"', text).unwrap_or(text.len());
    &text[..end]
}

/// What follows a key of the object itself, and not of one inside it.
fn own<'a>(data: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (mut depth, mut rest) = (0_usize, data);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                let (text, after) = rest.split_at(end_of_string(rest));
                rest = after.get(1..)?;
                if depth == 1 && text == key && rest.trim_ascii_start().starts_with(b":") {
                    return Some(rest);
                }
            }
            _ => {}
        }
    }
    None
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
const FINISH: &[u8] = b"\"finish_reason\"";

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn an_events_kind_is_its_own_wherever_it_stands() {
        let cases: [(&[u8], &[u8]); 8] = [
            (br#"{"type":"ping"}"#, b"ping"),
            (
                br#" { "type" : "error", "error": { "type": "x" } }"#,
                b"error",
            ),
            (
                br#"{"response":{"output":[{"type":"message"}]},"type":"response.completed"}"#,
                b"response.completed",
            ),
            (br#"{"a":"\"type\":\"x\"","type":"y"}"#, b"y"),
            (br#"{"a":"type","type":"y"}"#, b"y"),
            (br#"{"a":{"type":"x"}}"#, b""),
            (br#"{"type":7}"#, b""),
            (br#"}{"type":"x"#, b""),
        ];
        for (data, expected) in cases {
            assert_eq!(kind(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }
}
