use std::slice;

use memchr::memmem::Finder;

use super::{
    Meter,
    text::{behind, end_of_string, is_text, texts, value},
    words::WORDS,
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
            Api::Messages => self.part(data, None, &WORDS.deltas),
            Api::Generate | Api::StreamGenerate { .. } => {
                self.part(data, None, slice::from_ref(&WORDS.text));
            }
            Api::Responses => self.part(data, None, slice::from_ref(&WORDS.delta)),
            _ => self.part(data, None, &WORDS.texts),
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
                match told {
                    Some(usage) => self.tell(usage, true),
                    None => self.is_last = false,
                }
                return Event::Usage;
            }
        }
        if is_error(data) {
            return Event::Error;
        }
        self.finished |= behind(data, &WORDS.finish).is_some_and(is_text);
        self.part(data, Some(&WORDS.choices), &WORDS.texts);
        // Said beside a part, it includes the part.
        if let Some(usage) = told {
            self.tell(usage, self.finished);
        }
        Event::Part
    }

    /// Anthropic's events.
    fn message(&mut self, data: &[u8]) -> Event {
        match kind(data) {
            b"content_block_delta" => self.part(data, Some(&WORDS.delta), &WORDS.deltas),
            // A tool's name is output as well.
            b"content_block_start" => self.part(data, Some(&WORDS.block), &WORDS.blocks),
            b"message_stop" => {
                self.finished = true;
                return Event::Done;
            }
            b"error" => return Event::Error,
            b"ping" | b"content_block_stop" => {}
            b"message_delta" => {
                let usage = anthropic::stream_usage(data, self.told);
                match usage.filter(|_| anthropic::tells_output(data)) {
                    Some(usage) => self.tell(usage, true),
                    None => {
                        self.heard(usage, false);
                    }
                }
            }
            _ => {
                self.heard(anthropic::stream_usage(data, self.told), false);
            }
        }
        Event::Part
    }

    /// Gemini's chunks. They have no end mark: a reason to finish stands in the last.
    fn content(&mut self, data: &[u8]) -> Event {
        if is_error(data) {
            return Event::Error;
        }
        let ends = |word| behind(data, word).is_some_and(is_text);
        self.finished |= ends(&WORDS.finish_reason) || ends(&WORDS.block_reason);
        let is_last = self.finished && gemini::stream_usage(data, None).is_some();
        if self.heard(gemini::stream_usage(data, self.told), is_last) {
            self.parts += 1; // A running total, this chunk included.
            if self.peak.1 == 0 {
                self.count_texts(data);
            }
        } else if WORDS.call.find(data).is_some() {
            self.count_part();
            self.gave();
            self.text.add(data);
            self.is_last = is_last;
        } else {
            self.part(data, Some(&WORDS.candidates), slice::from_ref(&WORDS.text));
            self.is_last |= is_last;
        }
        Event::Part
    }

    /// The events of OpenAI's responses.
    fn response(&mut self, data: &[u8]) -> Event {
        let kind = kind(data);
        if kind.ends_with(b".delta") {
            let given = self.given;
            self.part(data, None, slice::from_ref(&WORDS.delta));
            if kind.starts_with(b"response.reasoning") {
                self.given = given;
            }
            return Event::Part;
        }
        let event = match kind {
            b"response.completed" | b"response.incomplete" => Event::Done,
            b"response.failed" | b"response.cancelled" | b"error" => Event::Error,
            b"response.output_item.added" => {
                self.part(data, Some(&WORDS.item), slice::from_ref(&WORDS.name));
                return Event::Part;
            }
            _ => return Event::Part,
        };
        let usage = openai::responses::stream_usage(data, self.told);
        self.heard(usage, event == Event::Done);
        self.finished |= event == Event::Done;
        event
    }

    /// Counts the texts of a whole answer.
    pub(super) fn count_texts(&mut self, answer: &[u8]) {
        let keys = match self.api {
            Api::Messages => &WORDS.blocks[..],
            Api::Generate | Api::StreamGenerate { .. } | Api::Responses => {
                slice::from_ref(&WORDS.text)
            }
            _ => &WORDS.texts,
        };
        let is_last = self.is_last;
        self.part(answer, None, keys);
        self.is_last = is_last;
    }

    fn count_part(&mut self) {
        self.chunks += 1;
        self.parts += 1;
    }

    /// Something was given, of which a word before it says nothing.
    const fn gave(&mut self) {
        self.gave = true;
        self.is_last = false;
    }

    /// A part of the answer, whose texts stand in these fields after a first word.
    fn part(&mut self, data: &[u8], after: Option<&Finder<'_>>, keys: &[Finder<'_>]) {
        self.count_part();
        let (mut gave, mut gave_words) = (false, false);
        for (key, text) in texts(data, after, keys) {
            self.text.add(text);
            gave |= !text.is_empty();
            // What is shown of thoughts may be told by somebody else, in other words than were paid.
            gave_words |= !text.is_empty() && !THOUGHTS.contains(&key);
        }
        if gave {
            self.gave();
        }
        self.given += u64::from(gave_words);
    }
}

const THOUGHTS: [&[u8]; 3] = [b"\"reasoning_content\"", b"\"reasoning\"", b"\"thinking\""];

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
