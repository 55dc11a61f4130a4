use memchr::memchr2;

/// Finds where the events of a `text/event-stream` end, in pieces cut anywhere. Sans I/O, and without a buffer: it
/// remembers three bits.
///
/// An event ends after an empty line; lines end in CR, LF or CRLF
/// ([WHATWG HTML](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)).
///
/// ```
/// use tollgate_llm::EventBoundary;
///
/// let mut boundary = EventBoundary::new();
/// assert_eq!(boundary.next(b"data: a\n"), None);
/// assert_eq!(boundary.next(b"\ndata: b"), Some(1));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EventBoundary {
    /// The present line has content.
    in_line: bool,
    /// The last byte was a CR, to which a LF may still belong.
    after_cr: bool,
    /// Something has come since the last boundary.
    in_event: bool,
}

impl EventBoundary {
    /// Before the first byte of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            in_line: false,
            after_cr: false,
            in_event: false,
        }
    }

    /// How many bytes of this piece belong to the event that ends in it; nothing if none does. The piece is then
    /// remembered as read; otherwise go on with what follows the end.
    pub fn next(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < piece.len() {
            if self.after_cr {
                self.after_cr = false;
                if piece[at] == b'\n' {
                    at += 1;
                    if !self.in_event {
                        return Some(at); // The other half of the line that ended the event before.
                    }
                    continue;
                }
            }
            let Some(length) = memchr2(b'\n', b'\r', &piece[at..]) else {
                self.in_line = true;
                self.in_event = true;
                return None;
            };
            let empty = length == 0 && !self.in_line;
            self.in_line = false;
            self.in_event = true;
            at += length + 1;
            self.after_cr = piece[at - 1] == b'\r';
            if empty {
                // The other half of a CRLF belongs to this event, if it is there already.
                if self.after_cr && piece.get(at) == Some(&b'\n') {
                    self.after_cr = false;
                    at += 1;
                }
                self.in_event = false;
                return Some(at);
            }
        }
        None
    }

    /// Whether the stream stands in the midst of an event.
    #[must_use]
    pub const fn in_event(&self) -> bool {
        self.in_event
    }
}

impl Default for EventBoundary {
    fn default() -> Self {
        Self::new()
    }
}
