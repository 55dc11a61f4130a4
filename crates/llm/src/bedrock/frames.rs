use bytes::{Buf, Bytes, BytesMut};

/// Takes the messages out of a stream of type `application/vnd.amazon.eventstream` that comes in pieces cut anywhere.
/// Sans I/O.
///
/// A message is its length, that of its headers, a checksum of both, the headers, the payload, and a checksum of all
/// that. What has come of a message that has not ended is kept, up to [`MOST`] bytes.
#[derive(Debug, Default)]
pub(super) struct Frames {
    begun: BytesMut,
    /// How long the message is that has begun; nothing until that is known, and known to be true.
    length: Option<usize>,
}

impl Frames {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.begun.extend_from_slice(piece);
    }

    /// The next message that is whole. After an error there is no next one: where it would begin is not known.
    pub(super) fn next(&mut self) -> Result<Option<Message>, FrameError> {
        let length = match self.length {
            Some(length) => length,
            None if self.begun.len() < PRELUDE => return Ok(None),
            None => *self.length.insert(length(&self.begun[..PRELUDE])?),
        };
        if self.begun.len() < length {
            return Ok(None);
        }
        self.length = None;
        Message::read(self.begun.split_to(length).freeze()).map(Some)
    }
}

/// A message. Values of headers that are no text are passed over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    headers: Vec<(Bytes, Bytes)>,
    pub(super) payload: Bytes,
}

impl Message {
    /// The text of a header; empty if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap_or(""))
    }

    /// Reads a message whose length is known to be true.
    fn read(mut message: Bytes) -> Result<Self, FrameError> {
        let end = message.len() - CHECKSUM;
        if crc32fast::hash(&message[..end]) != (&message[end..]).get_u32() {
            return Err(FrameError::Broken);
        }
        message.truncate(end);
        message.advance(WORD);
        let length = message.get_u32() as usize;
        message.advance(CHECKSUM);
        if length > message.len() {
            return Err(FrameError::Broken);
        }
        let headers = message.split_to(length);
        Ok(Self {
            headers: read_headers(headers).ok_or(FrameError::Broken)?,
            payload: message,
        })
    }
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FrameError {
    TooLarge,
    Broken,
}

/// How long a message is, by its beginning.
fn length(mut prelude: &[u8]) -> Result<usize, FrameError> {
    let checked = crc32fast::hash(&prelude[..PRELUDE - CHECKSUM]);
    let (length, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
    if prelude.get_u32() != checked || length < PRELUDE + CHECKSUM {
        return Err(FrameError::Broken);
    }
    if length > MOST || headers > MOST_HEADERS {
        return Err(FrameError::TooLarge);
    }
    Ok(length)
}

fn read_headers(mut bytes: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let mut headers = Vec::with_capacity(4);
    while bytes.has_remaining() {
        let length = bytes.get_u8().into();
        let name = take(&mut bytes, length)?;
        let kind = take(&mut bytes, 1)?[0];
        let length = match kind {
            0 | 1 => 0, // true and false
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8, // a number, a moment
            9 => 16,
            6 | TEXT => usize::from(take(&mut bytes, 2)?.get_u16()),
            _ => return None,
        };
        let value = take(&mut bytes, length)?;
        if kind == TEXT {
            headers.push((name, value));
        }
    }
    Some(headers)
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

/// An event of Anthropic's that is as long as one may be elsewhere, in base64.
const MOST: usize = 12 << 20;
const MOST_HEADERS: usize = 128 << 10;
const WORD: usize = 4;
const CHECKSUM: usize = 4;
const PRELUDE: usize = 2 * WORD + CHECKSUM;
/// The type of a header's value that is text.
const TEXT: u8 = 7;

#[cfg(test)]
mod tests;
