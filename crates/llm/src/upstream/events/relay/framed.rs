use bytes::Bytes;

use super::Relay;
use crate::bedrock::EventStream;

impl Relay {
    /// Takes events in frames, as Bedrock sends them; they go out as if Anthropic had sent them.
    pub(in crate::upstream) fn framed(mut self) -> Self {
        self.frames = Some(EventStream::default());
        self
    }

    pub(super) fn read_framed(
        &mut self,
        frames: &mut EventStream,
        piece: &Bytes,
    ) -> Option<&'static str> {
        frames.push(piece);
        while !self.done {
            match frames.next() {
                Ok(Some(event)) => {
                    if let Some(wrong) = self.read_events(&event) {
                        return Some(wrong);
                    }
                }
                Ok(None) => return None,
                Err(wrong) => return Some(wrong),
            }
        }
        None
    }
}
