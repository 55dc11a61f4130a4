use std::{borrow::Cow, fmt, str};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    EventBoundary, EventRef,
    event::{BYTE_ORDER_MARK, fields},
};

/// Takes the events out of a `text/event-stream` that comes in pieces cut anywhere. Sans I/O.
///
/// An event that lies in one piece and has one line of data is not copied. What has come of an event that has not ended
/// is kept, up to [`limit`](Self::limit) bytes.
///
/// ```
/// use bytes::Bytes;
/// use tollgate_llm::sse::{Item, Parser};
///
/// let mut parser = Parser::new();
/// let mut seen = Vec::new();
/// for mut piece in [Bytes::from("data: a\n"), Bytes::from("\n: ping\n\nevent: b\nda")] {
///     while let Some(item) = parser.next(&mut piece)? {
///         seen.push(item);
///     }
/// }
///
/// assert!(matches!(&seen[..], [Item::Event(event), Item::Comment] if event.data() == "a"));
/// assert!(parser.in_event());
/// # Ok::<_, tollgate_llm::sse::TooLarge>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    boundary: EventBoundary,
    begun: BytesMut,
    limit: usize,
    /// The first event may have a byte order mark before it.
    first: bool,
    id: Bytes,
    too_large: bool,
}

impl Parser {
    /// Before the first byte of a stream, with a limit of 8 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            boundary: EventBoundary::new(),
            begun: BytesMut::new(),
            limit: 8 << 20,
            first: true,
            id: Bytes::new(),
            too_large: false,
        }
    }

    /// Sets the most bytes that an event may have on the wire, comments included.
    #[must_use]
    pub fn limit(self, bytes: usize) -> Self {
        Self {
            limit: bytes,
            ..self
        }
    }

    /// Takes what ends next from the front of this piece; nothing once the piece is used up.
    ///
    /// # Errors
    /// When an event is larger than the limit. Nothing more comes out of the stream then.
    pub fn next(&mut self, piece: &mut Bytes) -> Result<Option<Item>, TooLarge> {
        while !self.too_large {
            let Some(length) = self.boundary.next(piece) else {
                self.keep(piece);
                break;
            };
            // The LF of a last CRLF may come with the next piece; it does not count, so that cuts change nothing.
            let counted = length - usize::from(piece[..length].ends_with(b"\r\n"));
            if counted > self.limit - self.begun.len() {
                self.too_large = true;
                break;
            }
            let event = piece.split_to(length);
            if let Some(item) = self.read(event) {
                return Ok(Some(item));
            }
        }
        piece.clear();
        if self.too_large {
            self.begun = BytesMut::new();
            return Err(TooLarge { limit: self.limit });
        }
        Ok(None)
    }

    /// Whether the stream stands in the midst of an event. The standard discards that event if the stream ends here.
    #[must_use]
    pub const fn in_event(&self) -> bool {
        self.boundary.in_event()
    }

    /// The event in whose midst the stream has ended, for servers that leave out the last empty line. It may have been
    /// cut: only its content can tell.
    #[must_use]
    pub fn finish(mut self) -> Option<Item> {
        self.read(Bytes::new())
    }

    fn keep(&mut self, piece: &Bytes) {
        if piece.len() > self.limit - self.begun.len() {
            self.too_large = true;
        } else {
            self.begun.extend_from_slice(piece);
        }
    }

    /// Reads the event that ends with these bytes.
    fn read(&mut self, end: Bytes) -> Option<Item> {
        let mut event = if self.begun.is_empty() {
            end
        } else {
            self.begun.extend_from_slice(&end);
            self.begun.split().freeze()
        };
        if std::mem::take(&mut self.first) && event.starts_with(BYTE_ORDER_MARK) {
            event.advance(BYTE_ORDER_MARK.len());
        }
        let EventRef {
            name,
            data,
            id,
            comment,
        } = fields(&event);
        if let Some(id) = id.filter(|id| id.as_bytes() != self.id) {
            // Copied: it outlives the piece that it came in.
            self.id = Bytes::copy_from_slice(id.as_bytes());
        }
        let Some(data) = data else {
            return comment.then_some(Item::Comment);
        };
        Some(Item::Event(Event {
            name: name.map(|name| match name {
                Cow::Borrowed(name) => event.slice_ref(name.as_bytes()),
                Cow::Owned(name) => name.into(),
            }),
            data: match data {
                Cow::Borrowed(data) => event.slice_ref(data),
                Cow::Owned(data) => data.into(),
            },
            id: self.id.clone(),
        }))
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`Parser`] finds in a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// An event.
    Event(Event),
    /// Comments without an event, such as a keep-alive.
    Comment,
}

/// An event with data.
#[derive(Clone, Eq, PartialEq)]
pub struct Event {
    name: Option<Bytes>,
    data: Bytes,
    id: Bytes,
}

impl Event {
    /// Its name. To a browser, one without is a `message`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(text)
    }

    /// Its data, several lines joined by a LF.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The id that was said last, by this event or one before; empty if there was none.
    #[must_use]
    pub fn id(&self) -> &str {
        text(&self.id)
    }
}

// What a model writes is nobody's business.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name())
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("it was decoded when it was read")
}

/// An event is larger than the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLarge {
    limit: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event is larger than {} bytes", self.limit)
    }
}

impl std::error::Error for TooLarge {}
