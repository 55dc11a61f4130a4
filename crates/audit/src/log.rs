mod queue;
mod writer;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, ThreadId},
};

use tollgate_core::Rejection;

use self::{queue::Queue, writer::Writer};
use crate::{Sink, draft::Draft, sink::Lines};

/// Takes records and writes them, on a thread of its own. Clones are handles to the same log.
///
/// When the last handle is dropped, what is left is written first; [`close`](Self::close) does so too, and says whether
/// it went well.
///
/// | option | what it does | default |
/// |---|---|---|
/// | [`capacity`](Self::capacity) | the most requests that are under way or not written yet | 8192 |
/// | [`fail_open`](Self::fail_open) | lets requests pass that cannot be recorded, and counts them | refused, 503 `audit_unavailable` |
///
/// ```
/// use tollgate_audit::{AuditLayer, Log};
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("audit.jsonl");
/// let log = Log::to_file(path)?.capacity(100_000);
/// let layer = AuditLayer::new(log.clone());
/// // … serve, and when the server has drained:
/// # drop(layer);
/// log.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Log(Arc<Owner>);

impl Log {
    /// A log that writes to a sink.
    ///
    /// # Panics
    /// When the operating system gives no thread.
    pub fn new(sink: impl Sink) -> Self {
        let queue = Arc::new(Queue::new());
        let writer = Writer::new(Arc::clone(&queue), sink);
        let thread = thread::Builder::new()
            .name("tollgate-audit".into())
            .spawn(|| writer.run())
            .expect("a thread for the log");
        Self(Arc::new(Owner {
            queue,
            writer: thread.thread().id(),
        }))
    }

    /// A log that appends to a file. A new one gets the mode `0600`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    ///
    /// # Panics
    /// When the operating system gives no thread.
    pub fn to_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Lines::append(path.as_ref()).map(Self::new)
    }

    /// A log to anything that can be written to, such as standard output.
    ///
    /// # Panics
    /// When the operating system gives no thread.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self::new(Lines::new(writer))
    }

    /// Sets how many requests there may be that are under way or not written yet. It bounds the log's memory.
    #[must_use]
    pub fn capacity(self, requests: usize) -> Self {
        self.0.queue.capacity.store(requests, Relaxed);
        self
    }

    /// Lets requests pass when they cannot be recorded, and [counts](Self::lost) them.
    #[must_use]
    pub fn fail_open(self) -> Self {
        self.0.queue.fail_open.store(true, Relaxed);
        self
    }

    /// How many requests have left no record.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.lost.load(Relaxed)
    }

    /// How many requests were refused because they could not have been recorded.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.queue.refused.load(Relaxed)
    }

    /// How many requests are under way or not written yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.0.queue.taken.load(Relaxed)
    }

    /// Waits until all requests that have ended are written, and has a sink that failed tried again at once. It blocks
    /// the thread.
    ///
    /// # Errors
    /// When the sink fails; what it has not taken is kept, and tried again.
    pub fn flush(&self) -> io::Result<()> {
        self.0.queue.flush()
    }

    /// Writes what is left, and ends. It blocks the thread. Call it when the server has drained: a request that comes
    /// or ends afterwards cannot be recorded any more.
    ///
    /// # Errors
    /// When the sink fails to the last; what it did not take is [lost](Self::lost).
    pub fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    /// Keeps a place for a request's record, or says that it may not pass. None if it passes unrecorded.
    pub(crate) fn reserve(&self) -> Result<Option<Slot>, Rejection> {
        let reserved = self.0.queue.reserve()?;
        Ok(reserved.then(|| Slot(Some(self.clone()))))
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("pending", &self.pending())
            .field("lost", &self.lost())
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}

/// The place of one record that is to come. It keeps the log open.
pub(crate) struct Slot(Option<Log>);

impl Slot {
    pub(crate) fn fill(mut self, draft: Draft) {
        if let Some(log) = self.0.take() {
            log.0.queue.push(draft);
        }
    }
}

/// A request that was never admitted, or whose observer panicked, leaves its place.
impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.0.queue.release(1);
        }
    }
}

struct Owner {
    queue: Arc<Queue>,
    writer: ThreadId,
}

impl Owner {
    fn close(&self) -> io::Result<()> {
        self.queue.close();
        // A record may hold the last handle; its writer cannot wait for itself.
        if thread::current().id() == self.writer {
            return Ok(());
        }
        self.queue.wait_for_end()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // The writer has logged what went wrong.
        let _ = self.close();
    }
}
