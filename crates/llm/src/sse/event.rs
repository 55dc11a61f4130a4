use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// What one event says. The values are borrowed where they stand in one piece.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EventRef<'a> {
    /// Its name, if it has one; bytes that are no UTF-8 are replaced.
    pub name: Option<Cow<'a, str>>,
    /// Its data, several lines joined by a LF. Without data it is no event but a comment, or nothing.
    pub data: Option<Cow<'a, [u8]>>,
    /// The last event's id from here on, if it says one.
    pub id: Option<Cow<'a, str>>,
    /// Whether there is a comment, such as a keep-alive.
    pub comment: bool,
}

/// Reads one whole event, as an [`EventBoundary`](super::EventBoundary) cuts it out; a last line without an end counts.
/// A byte order mark at its start is passed over, as before the first event of a stream. `retry` and fields that nobody
/// knows are as well.
///
/// ```
/// let event = tollgate_llm::sse::parse_event(b"event: delta\ndata: {}\n\n");
///
/// assert_eq!(event.name.as_deref(), Some("delta"));
/// assert_eq!(event.data.as_deref(), Some(&b"{}"[..]));
/// ```
#[must_use]
pub fn parse_event(event: &[u8]) -> EventRef<'_> {
    fields(event.strip_prefix(BYTE_ORDER_MARK).unwrap_or(event))
}

/// Reads an event that is not the first of its stream.
pub(super) fn fields(event: &[u8]) -> EventRef<'_> {
    let mut read = EventRef::default();
    let (mut name, mut id) = (&[][..], None);
    let mut rest = event;
    while !rest.is_empty() {
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        // Between CR and LF there is an empty line too many, and it says nothing.
        rest = rest.get(end + 1..).unwrap_or_default();
        let (field, value) = field(line);
        match field {
            b"data" => add_line(&mut read.data, value, event.len()),
            b"event" => name = value,
            b"id" if memchr(0, value).is_none() => id = Some(value),
            b"" if !line.is_empty() => read.comment = true,
            _ => {}
        }
    }
    // Decoded when the last one is known, so that many of them cost no more than their bytes.
    read.name = (!name.is_empty()).then(|| String::from_utf8_lossy(name));
    read.id = id.map(String::from_utf8_lossy);
    read
}

/// A line's name and value. A line without a colon is all name; one space after the colon is no part of the value.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    // What nearly every line is, without a search.
    let (name, value) = match line.strip_prefix(b"data:") {
        Some(value) => (&line[..4], value),
        None => match memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        },
    };
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

fn add_line<'a>(data: &mut Option<Cow<'a, [u8]>>, line: &'a [u8], most: usize) {
    match data {
        None => *data = Some(Cow::Borrowed(line)),
        Some(Cow::Owned(lines)) => {
            lines.push(b'\n');
            lines.extend_from_slice(line);
        }
        Some(Cow::Borrowed(first)) => {
            let mut lines = Vec::with_capacity(most);
            lines.extend_from_slice(first);
            lines.push(b'\n');
            lines.extend_from_slice(line);
            *data = Some(Cow::Owned(lines));
        }
    }
}

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
