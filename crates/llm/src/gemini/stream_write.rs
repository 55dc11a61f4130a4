mod calls;

use serde::Serialize;
use tollgate_core::fact::Usage;

use self::calls::Calls;
use super::{
    answer_write::hides_thoughts,
    error::{error_element, error_event},
    finish::{self, MALFORMED},
    logprobs::LogprobsResult,
    signature::{encode, encode_redacted},
    wire::{Part, UsageMetadata},
};
use crate::canon::{Ask, Delta, Finish, WriteStream};

/// Writes a stream for Gemini's callers: as events, or as the elements of one JSON array.
///
/// Why an answer ends is said at the very end, together with the usage: here nothing follows it.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    array: bool,
    hidden: bool,
    begun: bool,
    ended: bool,
    /// What each event ends with.
    tail: Vec<u8>,
    calls: Calls,
    /// Thinking was kept back since the last signature, which is nothing without it.
    withheld: bool,
    finishes: Vec<(u32, &'static str)>,
    usage: Option<Usage>,
}

impl StreamWriter {
    /// For this request's caller, who may have asked for an array.
    pub(crate) fn new(ask: &Ask, array: bool) -> Self {
        Self {
            array,
            hidden: hides_thoughts(ask),
            begun: false,
            ended: false,
            tail: b"}".to_vec(),
            calls: Calls::default(),
            withheld: false,
            finishes: Vec::new(),
            usage: None,
        }
    }

    fn start(&mut self, id: &str, model: &str) {
        self.tail.clear();
        for (name, value) in [("modelVersion", model), ("responseId", id)] {
            self.tail.extend_from_slice(b",\"");
            self.tail.extend_from_slice(name.as_bytes());
            self.tail.extend_from_slice(b"\":");
            json(&value, &mut self.tail);
        }
        self.tail.push(b'}');
    }

    /// The hot path: one text, without a part being made of it.
    fn text(&mut self, choice: u32, text: &str, thought: bool, out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":");
        json(&text, out);
        if thought {
            out.extend_from_slice(b",\"thought\":true");
        }
        out.push(b'}');
        self.end_of_parts(choice, None, out);
        out.push(b']');
        self.close(out);
    }

    fn part(&mut self, choice: u32, part: &Part<'_>, out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"parts\":[");
        json(part, out);
        self.end_of_parts(choice, None, out);
        out.push(b']');
        self.close(out);
    }

    fn end_of_parts(&self, choice: u32, finish: Option<&str>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"],\"role\":\"model\"}");
        if let Some(reason) = finish {
            out.extend_from_slice(b",\"finishReason\":\"");
            out.extend_from_slice(reason.as_bytes());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"index\":");
        json(&choice, out);
        out.push(b'}');
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.array, self.begun) {
            (false, _) => b"data: ".as_slice(),
            (true, false) => b"[",
            (true, true) => b",\n",
        });
        self.begun = true;
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tail);
        if !self.array {
            out.extend_from_slice(b"\n\n");
        }
    }

    fn finish(&mut self, choice: u32, finish: &Finish, out: &mut Vec<u8>) {
        let mut reason = finish::write(finish);
        for call in self.calls.of(choice) {
            match call.part() {
                Some(part) => self.part(choice, &part, out),
                // A call that was cut off is known by the limit.
                None if *finish == Finish::Length => {}
                None => reason = MALFORMED,
            }
        }
        let known = self.finishes.iter().any(|(index, _)| *index == choice);
        if !known && self.finishes.len() < MOST_CHOICES {
            self.finishes.push((choice, reason));
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(b"{\"candidates\":[");
        for (at, (choice, reason)) in self.finishes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"content\":{\"parts\":[{\"text\":\"\"}");
            self.end_of_parts(*choice, Some(reason), out);
        }
        out.push(b']');
        if let Some(usage) = &self.usage {
            out.extend_from_slice(b",\"usageMetadata\":");
            json(&UsageMetadata::from(usage), out);
        }
        self.close(out);
        if self.array {
            out.push(b']');
        }
        self.ended = true;
    }

    /// Nobody can wait for the end of such a call.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        let (message, code) = ("the arguments of a call are too long", "answer_too_large");
        out.extend_from_slice(&if self.array {
            error_element(message, code, self.begun)
        } else {
            error_event(message, code)
        });
        self.ended = true;
    }
}

impl WriteStream for StreamWriter {
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match delta {
            Delta::Text { choice, text } | Delta::Refusal { choice, text } => {
                self.text(choice, &text, false, out);
            }
            Delta::Thinking { text, .. } if self.hidden => self.withheld |= !text.is_empty(),
            Delta::Thinking { choice, text } => self.text(choice, &text, true, out),
            Delta::Signed { choice, signature } => {
                if !std::mem::take(&mut self.withheld) {
                    let part = Part::thought("", Some(encode(&signature)));
                    self.part(choice, &part, out);
                }
            }
            Delta::Redacted { choice, signature } => {
                let part = Part::thought("", Some(encode_redacted(&signature).into()));
                self.part(choice, &part, out);
            }
            Delta::Start { id, model, .. } => self.start(&id, &model),
            Delta::ToolCall {
                choice,
                index,
                id,
                name,
                signature,
            } => {
                if !self.calls.begin(choice, index, id, name, signature) {
                    self.give_up(out);
                }
            }
            Delta::Arguments {
                choice,
                index,
                json,
            } => {
                if !self.calls.add(choice, index, &json) {
                    self.give_up(out);
                }
            }
            Delta::Logprobs { choice, logprobs } => {
                if let Some(result) = LogprobsResult::of(&logprobs) {
                    self.open(out);
                    out.extend_from_slice(b"{\"candidates\":[{\"index\":");
                    json(&choice, out);
                    out.extend_from_slice(b",\"logprobsResult\":");
                    json(&result, out);
                    out.extend_from_slice(b"}]");
                    self.close(out);
                }
            }
            Delta::Finish { choice, finish } => self.finish(choice, &finish, out),
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::Done => self.done(out),
            Delta::Ping | Delta::Failed(_) => {}
        }
    }
}

fn json<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(before); // What cannot be JSON is nothing.
        out.extend_from_slice(b"null");
    }
}

/// More than any provider gives.
const MOST_CHOICES: usize = 128;
