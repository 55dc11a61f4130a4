use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    meter::{Event, Meter},
    sse::{EventBoundary, parse_event},
};

/// Takes pieces of an event stream in and gives whole events out, sans I/O. A piece that ends with an event, as nearly
/// all do, comes out as it is.
pub(super) struct Relay {
    meter: Option<Meter>,
    hides_usage: bool,
    boundary: EventBoundary,
    begun: BytesMut,
    ready: VecDeque<Bytes>,
    done: bool,
    told: bool,
}

impl Relay {
    pub(super) fn new(meter: Meter, hides_usage: bool) -> Self {
        Self {
            meter: Some(meter),
            hides_usage,
            boundary: EventBoundary::new(),
            begun: BytesMut::new(),
            ready: VecDeque::new(),
            done: false,
            told: false,
        }
    }

    /// Takes a piece in. Says what is wrong with it, if something is.
    pub(super) fn read(&mut self, piece: &Bytes) -> Option<&'static str> {
        if self.done {
            return None; // Whatever follows the end mark is no part of the answer.
        }
        // What lies between `from` and `at` passes, and has not been pushed yet.
        let (mut from, mut at) = (0, 0);
        while let Some(length) = self.boundary.next(&piece[at..]) {
            let end = at + length;
            if self.begun.is_empty() {
                if !self.passes(&piece[at..end]) {
                    self.push(piece.slice(from..at));
                    from = end;
                }
            } else {
                self.begun.extend_from_slice(&piece[at..end]);
                let event = self.begun.split().freeze();
                if self.passes(&event) {
                    self.push(event);
                }
                from = end;
            }
            at = end;
        }
        self.push(piece.slice(from..at));
        self.begun.extend_from_slice(&piece[at..]);
        (self.begun.len() > MOST_BEGUN).then_some("event_too_large")
    }

    /// The stream ended by itself.
    pub(super) fn finish(&mut self) -> Option<&'static str> {
        // The last event may lack its empty line.
        let last = self.begun.split().freeze();
        if parse_event(&last)
            .data
            .is_some_and(|data| data.trim_ascii() == b"[DONE]")
        {
            self.passes(&last);
            self.push(last);
        } else {
            self.begun.extend_from_slice(&last);
        }
        let finished = self.meter.as_ref().is_some_and(Meter::has_finished);
        if finished && self.begun.is_empty() && !self.told {
            return None;
        }
        self.cut()
    }

    /// The stream broke off.
    pub(super) const fn cut(&self) -> Option<&'static str> {
        if self.told {
            return Some("upstream_error"); // Some servers send their end mark even then.
        }
        if self.done { None } else { Some("stream_cut") }
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

    /// Whether the provider has told the client of an error.
    pub(super) const fn was_told(&self) -> bool {
        self.told
    }

    /// Meters a whole event, and says whether the client is to see it.
    fn passes(&mut self, event: &[u8]) -> bool {
        let Some((data, meter)) = parse_event(event).data.zip(self.meter.as_mut()) else {
            return true; // a comment, such as a keep-alive
        };
        match meter.read(&data) {
            Event::Part => true,
            Event::Usage => !self.hides_usage,
            Event::Error => {
                self.told = true;
                true
            }
            Event::Done => {
                self.done = true;
                true
            }
        }
    }

    fn push(&mut self, events: Bytes) {
        if !events.is_empty() {
            self.ready.push_back(events);
        }
    }
}

/// A chunk of a stream that holds a large tool call or an image is far smaller.
const MOST_BEGUN: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tollgate_core::{Trail, fact::Usage};

    use super::Relay;
    use crate::meter::Meter;

    const STREAM: &str = ": hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"h\u{e9}\"}}]}\n\n\
        data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n\
        data: [DONE]\n\n";

    /// What comes out, what is wrong, and what was used, when the stream comes in these pieces.
    fn relay(pieces: &[&[u8]], hides: bool) -> (Vec<u8>, Option<&'static str>, Option<Usage>) {
        let trail = Trail::new();
        let mut relay = Relay::new(Meter::new(trail.clone(), 0), hides);
        let mut out = Vec::new();
        for piece in pieces {
            assert_eq!(relay.read(&Bytes::copy_from_slice(piece)), None);
            while let Some(events) = relay.next() {
                out.extend_from_slice(&events);
            }
        }
        let wrong = relay.finish();
        relay.settle();
        (out, wrong, trail.get())
    }

    #[test]
    fn wherever_pieces_are_cut_the_same_comes_out() {
        let (start, rest) = STREAM.split_at(STREAM.find("data: {\"choices\":[],").unwrap());
        let hidden = format!("{start}{}", &rest[rest.find("data: [DONE]").unwrap()..]);
        let used = Some(Usage {
            input: 3,
            output: 2,
            ..Usage::default()
        });
        for hides in [false, true] {
            let expected = if hides {
                hidden.as_bytes()
            } else {
                STREAM.as_bytes()
            };
            let stream = STREAM.as_bytes();
            let whole = (expected.to_vec(), None, used);
            assert_eq!(relay(&[stream], hides), whole);
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(relay(&bytes, hides), whole);
            for first in 0..stream.len() {
                for second in first..stream.len() {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    assert_eq!(relay(&pieces, hides), whole, "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_never_looks_complete() {
        let stream = STREAM.as_bytes();
        let finished = STREAM.find("\r\n\r").unwrap();
        for cut in 0..stream.len() {
            let (out, wrong, used) = relay(&[&stream[..cut]], false);

            assert!(stream.starts_with(&out));
            assert!(
                out.is_empty() || ends_an_event(&out),
                "{cut}: half an event"
            );
            assert!(used.is_some(), "{cut}");
            // With a reason to finish and no end mark it is complete, as from servers that send none.
            let marked = STREAM.find("[DONE]").unwrap() + "[DONE]".len();
            let complete = cut >= marked || cut >= finished && ends_an_event(&stream[..cut]);
            let expected = if complete { None } else { Some("stream_cut") };
            assert_eq!(wrong, expected, "{cut}");
        }
    }

    fn ends_an_event(stream: &[u8]) -> bool {
        ["\n\n", "\r\n\r", "\r\n\r\n"]
            .iter()
            .any(|end| stream.ends_with(end.as_bytes()))
    }
}
