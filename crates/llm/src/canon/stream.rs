use super::{Delta, Fault};

/// Reads a provider's stream, event by event.
pub(crate) trait ReadStream {
    /// Reads the data of one event.
    ///
    /// # Errors
    /// If it is not what the provider should say: the stream ends there.
    fn read(&mut self, data: &[u8], out: &mut Vec<Delta>) -> Result<(), Fault>;

    /// The provider has closed the stream: says what was still held back. A stream that was complete ends with
    /// [`Delta::Done`], be it here, where its dialect has no end mark.
    fn finish(&mut self, out: &mut Vec<Delta>);
}

/// Writes a stream for a caller.
pub(crate) trait WriteStream {
    /// Writes whole events into `out`; nothing if the delta says nothing in this dialect. [`Delta::Failed`] is for the
    /// service to say, and not written.
    fn write(&mut self, delta: Delta, out: &mut Vec<u8>);
}
