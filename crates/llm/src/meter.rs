use memchr::memmem;
use tollgate_core::{
    Trail,
    fact::{Dispatch, Usage},
};

use crate::openai::Chunk;

/// Counts what a call uses while its answer passes, and writes it into the trail when it is dropped: whatever ended
/// the answer, those outside find the usage so far.
#[derive(Debug)]
pub(crate) struct Meter {
    trail: Trail,
    sent: usize,
    told: Option<Usage>,
    chunks: u64,
    text: usize,
    finished: bool,
}

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
    /// Counts for this trail; the request's body was so long.
    pub(crate) const fn new(trail: Trail, sent: usize) -> Self {
        Self {
            trail,
            sent,
            told: None,
            chunks: 0,
            text: 0,
            finished: false,
        }
    }

    /// The provider said what was used. The last word counts.
    pub(crate) fn tell(&mut self, usage: Usage) {
        self.told = Some(usage);
    }

    /// So much text was given, where the provider does not say what was used.
    pub(crate) fn give(&mut self, text: usize) {
        self.text += text;
    }

    /// Whether a part gave a reason why the answer ends, or the end mark has come.
    pub(crate) const fn has_finished(&self) -> bool {
        self.finished
    }

    /// Reads an event by its data. Most are passed after a few searches, without being parsed.
    pub(crate) fn read(&mut self, data: &[u8]) -> Event {
        if data.trim_ascii() == b"[DONE]" {
            self.finished = true;
            return Event::Done;
        }
        if let Some(at) = memmem::find(data, USAGE)
            && !is_null(&data[at + USAGE.len()..])
            && let Some(chunk) = Chunk::read(data)
        {
            self.told = chunk.usage().or(self.told);
            if chunk.is_only_usage() {
                return Event::Usage;
            }
        }
        if data.starts_with(ERROR) {
            return Event::Error;
        }
        if let Some(at) = memmem::find(data, FINISH) {
            self.finished |= is_text(&data[at + FINISH.len()..]);
        }
        self.chunks += 1;
        self.text += text_length(data);
        Event::Part
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let estimate = || Usage {
            input: tokens(self.sent),
            output: tokens(self.text).max(self.chunks),
            estimated: true,
            ..Usage::default()
        };
        // What was not sent used nothing.
        if self.trail.get() != Some(Dispatch::No) {
            self.trail.set(self.told.unwrap_or_else(estimate));
        }
    }
}

/// How long the texts of a delta are. Counts too much rather than too little: escapes count as they are written.
fn text_length(data: &[u8]) -> usize {
    let Some(choices) = memmem::find(data, b"\"choices\"") else {
        return 0;
    };
    let choices = &data[choices..];
    let text = |key: &[u8]| {
        let at = memmem::find(choices, key)?;
        let value = value(&choices[at + key.len()..]);
        value.strip_prefix(b"\"").map(end_of_string)
    };
    TEXTS.iter().filter_map(|key| text(key)).sum()
}

fn end_of_string(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'"', b'\\', &text[from..]) {
        let at = from + at;
        if text[at] == b'"' {
            return at;
        }
        from = (at + 2).min(text.len());
    }
    text.len()
}

fn is_null(rest: &[u8]) -> bool {
    value(rest).starts_with(b"null")
}

/// A string, and not the empty one that some servers write for `null`.
fn is_text(rest: &[u8]) -> bool {
    let value = value(rest);
    value.starts_with(b"\"") && !value.starts_with(b"\"\"")
}

/// What follows a key.
fn value(rest: &[u8]) -> &[u8] {
    let rest = rest.trim_ascii_start();
    rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start()
}

/// An estimate from the length of a text: a token is rarely shorter than three bytes.
const fn tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(3)
}

/// The fields that hold what a model has written, the reasoning of compatible servers too.
const TEXTS: [&[u8]; 6] = [
    b"\"content\"",
    b"\"arguments\"",
    b"\"text\"",
    b"\"refusal\"",
    b"\"reasoning_content\"",
    b"\"reasoning\"",
];
/// Inside a text it would be escaped.
const USAGE: &[u8] = b"\"usage\"";
const ERROR: &[u8] = b"{\"error\"";
const FINISH: &[u8] = b"\"finish_reason\"";

#[cfg(test)]
mod tests {
    use tollgate_core::{Trail, fact::Usage};

    use super::{Event, Meter};

    #[test]
    fn the_providers_word_counts_and_its_last_one() {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), 300);
        assert_eq!(
            meter.read(br#"{"choices":[{"delta":{"content":"a \"usage\""}}],"usage":null}"#),
            Event::Part
        );
        assert_eq!(
            meter.read(br#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#),
            Event::Part
        );
        assert_eq!(
            meter.read(br#"{"choices":[],"usage": {"prompt_tokens":9,"completion_tokens":2}}"#),
            Event::Usage
        );
        assert_eq!(meter.read(b"[DONE]"), Event::Done);
        drop(meter);

        let expected = Usage {
            input: 9,
            output: 2,
            ..Usage::default()
        };
        assert_eq!(trail.get::<Usage>(), Some(expected));
    }

    #[test]
    fn without_a_word_the_estimate_is_not_under_what_was_streamed() {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), 300);
        for _ in 0..5 {
            meter.read(br#"{"choices":[{"delta":{"content":"twelve \"bytes"}}]}"#);
        }
        drop(meter);

        let usage = trail.get::<Usage>().unwrap();
        assert!(usage.estimated);
        assert_eq!((usage.input, usage.output), (100, 24));
    }

    #[test]
    fn an_error_in_mid_stream_is_told_from_a_part() {
        let mut meter = Meter::new(Trail::new(), 0);
        assert_eq!(
            meter.read(br#"{"error":{"message":"overloaded"}}"#),
            Event::Error
        );
        assert_eq!(meter.read(br#"{"choices":[],"error":null}"#), Event::Part);
    }
}
