#[cfg(feature = "bedrock")]
mod framed;
mod output;

use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use http::StatusCode;

pub(in crate::upstream) use self::output::Output;
use crate::{
    Dialect,
    canon::Fault,
    meter::{Event, Meter},
    sse::{EventBoundary, parse_event},
    translate::read_fault,
};

/// Takes pieces of an event stream in and gives whole events out, sans I/O. Where nothing is to be changed, a piece that
/// ends with an event, as nearly all do, comes out as it is.
pub(crate) struct Relay {
    meter: Option<Meter>,
    output: Output,
    boundary: EventBoundary,
    begun: BytesMut,
    written: Vec<u8>,
    ready: VecDeque<Bytes>,
    done: bool,
    told: bool,
    message: Option<String>,
    /// Where events come in Bedrock's frames.
    #[cfg(feature = "bedrock")]
    frames: Option<crate::bedrock::EventStream>,
}

impl Relay {
    /// Passes events on, without the extra chunk of usage if that is to be hidden.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn new(meter: Meter, hides_usage: bool) -> Self {
        Self::with(meter, Output::Same { hides_usage })
    }

    /// Puts events into another dialect.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn translating(meter: Meter, stream: crate::translate::StreamTranslation) -> Self {
        Self::with(meter, Output::Other(Box::new(stream)))
    }

    /// Passes a stream on.
    pub(in crate::upstream) fn with(meter: Meter, output: Output) -> Self {
        Self {
            meter: Some(meter),
            output,
            boundary: EventBoundary::new(),
            begun: BytesMut::new(),
            written: Vec::new(),
            ready: VecDeque::new(),
            done: false,
            told: false,
            message: None,
            #[cfg(feature = "bedrock")]
            frames: None,
        }
    }

    /// Whether what comes out is one JSON array, and no events.
    pub(crate) fn writes_array(&self) -> bool {
        match &self.output {
            Output::Same { .. } => false,
            Output::Array { .. } => true,
            Output::Other(stream) => stream.writes_array(),
        }
    }

    /// Takes a piece in. Says what is wrong with it, if something is.
    pub(super) fn read(&mut self, piece: &Bytes) -> Option<&'static str> {
        if self.done {
            return None; // Whatever follows the end mark is no part of the answer.
        }
        #[cfg(feature = "bedrock")]
        if let Some(mut frames) = self.frames.take() {
            let wrong = self.read_framed(&mut frames, piece);
            self.frames = Some(frames);
            return wrong;
        }
        self.read_events(piece)
    }

    fn read_events(&mut self, piece: &Bytes) -> Option<&'static str> {
        let mut wrong = None;
        // What lies between `from` and `at` passes, and has not been pushed yet.
        let (mut from, mut at) = (0, 0);
        while wrong.is_none()
            && !self.done
            && let Some(length) = self.boundary.next(&piece[at..])
        {
            let end = at + length;
            if self.begun.is_empty() {
                let passes = self.passes(&piece[at..end]);
                if passes != Ok(true) {
                    self.push(piece.slice(from..at));
                    from = end;
                }
                wrong = passes.err();
            } else {
                self.begun.extend_from_slice(&piece[at..end]);
                let event = self.begun.split().freeze();
                match self.passes(&event) {
                    Ok(true) => self.push(event),
                    Ok(false) => {}
                    Err(code) => wrong = Some(code),
                }
                from = end;
            }
            at = end;
        }
        self.push(piece.slice(from..at));
        self.push_written();
        if self.done {
            return wrong;
        }
        self.begun.extend_from_slice(&piece[at..]);
        let is_large = wrong.is_none() && self.begun.len() > MOST_BEGUN;
        wrong.or_else(|| is_large.then(|| self.break_off("event_too_large", CUT)))
    }

    /// The stream ended by itself.
    pub(super) fn finish(&mut self) -> Option<&'static str> {
        // The end mark may lack its empty line; of any other event nobody knows whether it is whole.
        let mut last = self.begun.split();
        let is_whole = parse_event(&last)
            .data
            .is_some_and(|data| data.trim_ascii() == b"[DONE]");
        if is_whole {
            match self.passes(&last) {
                Ok(true) => {
                    // What follows, be it an error, is an event of its own.
                    let ends_line = last.ends_with(b"\n");
                    last.extend_from_slice(if ends_line { b"\n" } else { b"\n\n" });
                    self.push(last.freeze());
                }
                Ok(false) => {}
                Err(code) => return Some(code),
            }
        } else {
            self.begun = last;
        }
        let finished = self.meter.as_ref().is_some_and(Meter::has_finished);
        if !finished || !self.begun.is_empty() || self.told {
            self.push_written();
            return self.cut();
        }
        let ended = match &mut self.output {
            Output::Same { .. } => Ok(true),
            Output::Array { begun } => {
                self.written
                    .extend_from_slice(if *begun { b"]" } else { b"[]" });
                Ok(true)
            }
            Output::Other(_) if self.done => Ok(true),
            Output::Other(stream) => stream.finish(&mut self.written),
        };
        self.push_written();
        match ended {
            Ok(true) => None,
            Ok(false) => Some(self.break_off("stream_cut", CUT)),
            Err(fault) => Some(self.fail(&fault)),
        }
    }

    /// The stream broke off.
    pub(super) fn cut(&mut self) -> Option<&'static str> {
        if self.told {
            return Some("upstream_error"); // Some servers send their end mark even then.
        }
        (!self.done).then(|| self.break_off("stream_cut", CUT))
    }

    /// Writes down what was used.
    pub(super) fn settle(&mut self) {
        self.meter = None;
    }

    /// Events that are whole.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the end mark has come.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the client has been told of an error, by an event of the stream.
    pub(super) const fn was_told(&self) -> bool {
        self.told
    }

    /// What is to be said of an error that the client has not been told of.
    pub(super) fn take_message(&mut self) -> Option<String> {
        self.message.take()
    }

    /// Meters a whole event, and says whether the client is to see it as it is.
    fn passes(&mut self, event: &[u8]) -> Result<bool, &'static str> {
        let is_same = matches!(self.output, Output::Same { .. });
        let parsed = parse_event(event);
        let Some((data, meter)) = parsed.data.zip(self.meter.as_mut()) else {
            return Ok(is_same); // a comment, such as a keep-alive
        };
        let read = meter.read(&data);
        if read == Event::Part && meter.exceeds() {
            return Err(self.break_off("allowance_exceeded", EXCEEDED));
        }
        match &mut self.output {
            Output::Same { hides_usage } => {
                self.done |= read == Event::Done;
                self.told |= read == Event::Error;
                Ok(read != Event::Usage || !*hides_usage)
            }
            Output::Array { .. } if read == Event::Error => {
                let fault = read_fault(Dialect::Gemini, StatusCode::BAD_GATEWAY, &data);
                Err(self.fail(&fault))
            }
            Output::Array { begun } => {
                let before: &[u8] = if *begun { b",\r\n" } else { b"[" };
                *begun = true;
                self.written.extend_from_slice(before);
                self.written.extend_from_slice(&data);
                Ok(false)
            }
            Output::Other(stream) => match stream.read(&data, &mut self.written) {
                Ok(done) => {
                    self.done |= done;
                    Ok(false)
                }
                Err(fault) => Err(self.fail(&fault)),
            },
        }
    }

    fn fail(&mut self, fault: &Fault) -> &'static str {
        self.break_off("upstream_error", &fault.message)
    }

    /// Ends the stream with an error, told in its own events where whoever tells it must know what went before.
    fn break_off(&mut self, code: &'static str, message: &str) -> &'static str {
        if let Some(meter) = self.meter.as_mut().filter(|_| !self.begun.is_empty()) {
            meter.read_half(&self.begun);
        }
        if let Output::Other(stream) = &mut self.output {
            self.told = stream.fail(message, code, &mut self.written);
        }
        self.message = Some(message.to_owned());
        self.push_written();
        code
    }

    fn push_written(&mut self) {
        if !self.written.is_empty() {
            let written = Bytes::from(mem::take(&mut self.written));
            self.push(written);
        }
    }

    fn push(&mut self, events: Bytes) {
        if !events.is_empty() {
            self.ready.push_back(events);
        }
    }
}

const EXCEEDED: &str = "the provider gave more than the budget allows";
const CUT: &str = "the provider's stream ended early";
/// A chunk of a stream that holds a large tool call or an image is far smaller.
const MOST_BEGUN: usize = 8 << 20;

#[cfg(test)]
mod cut;

#[cfg(test)]
mod tests;
