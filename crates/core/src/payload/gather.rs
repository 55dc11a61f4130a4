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
}

impl Gather {
    /// Adds a frame.
    pub fn push(&mut self, frame: Bytes) {
        if self.is_empty() {
            self.first = frame;
            return;
        }
        if self.rest.is_empty() {
            let first = mem::take(&mut self.first);
            self.rest.reserve(first.len() + frame.len());
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
