use bytes::Bytes;

use super::{
    event::event,
    frames::{FrameError, Frames},
};

/// Makes Anthropic's events of Bedrock's stream, sans I/O.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    frames: Frames,
}

impl EventStream {
    /// Takes a piece in.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.frames.push(piece);
    }

    /// The next event that is whole, as Anthropic would send it; or what is wrong with the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, &'static str> {
        loop {
            match self.frames.next() {
                Ok(Some(message)) => match event(&message) {
                    Ok(None) => {} // Of a kind that is not known yet.
                    event => return event,
                },
                Ok(None) => return Ok(None),
                Err(FrameError::TooLarge) => return Err("event_too_large"),
                Err(FrameError::Broken) => return Err("stream_broken"),
            }
        }
    }
}
