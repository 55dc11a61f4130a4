use std::mem;

use bytes::{Bytes, BytesMut};

/// Puts the frames of a body together. One frame is not copied; from the second on all are, so that many small frames
/// take no more room than their bytes.
///
/// ```
/// use tollgate_core::Gather;
///
/// let mut body = Gather::default();
/// body.push("to".into());
/// body.push("gether".into());
/// assert_eq!(body.len(), 8);
/// assert_eq!(body.finish(), "together");
/// ```
#[derive(Debug, Default)]
pub struct Gather {
    first: Bytes,
    rest: BytesMut,
    expected: usize,
}

impl Gather {
    /// Expects so many bytes, and makes room for them if there is more than one frame: for up to a mebibyte, since
    /// what was promised may never come.
    #[must_use]
    pub fn expecting(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            expected: bytes.min(MOST_EXPECTED),
            ..Self::default()
        }
    }

    /// Adds a frame.
    pub fn push(&mut self, frame: Bytes) {
        if self.is_empty() {
            self.first = frame;
            return;
        }
        if self.rest.is_empty() {
            let first = mem::take(&mut self.first);
            let room = first.len() + frame.len();
            self.rest.reserve(room.max(self.expected));
            self.rest.extend_from_slice(&first);
        }
        self.rest.extend_from_slice(&frame);
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes.
    #[must_use]
    pub fn finish(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}

const MOST_EXPECTED: usize = 1 << 20;
