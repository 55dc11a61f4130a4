use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::queue::Queue;
use crate::{Batch, Record, Sink, json};

/// What runs on the log's own thread.
pub(super) struct Writer<S> {
    sink: S,
    lines: Vec<u8>,
    // Last, so that the sink is closed before others hear that this is over.
    queue: Over,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(queue: Arc<Queue>, sink: S) -> Self {
        Self {
            sink,
            lines: Vec::new(),
            queue: Over(queue),
        }
    }

    pub(super) fn run(mut self) {
        let mut entries = Vec::new();
        while self.queue.0.take(&mut entries) {
            let mut written = 0;
            for at in 0..entries.len() {
                json::write_line(&entries[at], &mut self.lines);
                if self.lines.len() >= ENOUGH {
                    self.write(&entries[written..=at]);
                    written = at + 1;
                }
            }
            self.write(&entries[written..]);
            entries.clear();
        }
    }

    fn write(&mut self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let queue = &self.queue.0;
        let batch = Batch {
            records,
            lines: &self.lines,
        };
        let records = records.len();
        loop {
            match taken(&mut self.sink, &batch) {
                Ok(()) => break queue.recovered(),
                Err(error) if !queue.failed(&error) => break queue.lose(records as u64),
                Err(_) => {}
            }
        }
        queue.done(records);
        self.lines.clear();
        self.lines.shrink_to(2 * ENOUGH);
    }
}

/// A sink that panics has failed, and is asked again.
fn taken(sink: &mut impl Sink, batch: &Batch<'_>) -> io::Result<()> {
    catch_unwind(AssertUnwindSafe(|| sink.write(batch)))
        .unwrap_or_else(|_| Err(io::Error::other("the sink panicked")))
}

/// However the thread ends, those who wait for it are told.
struct Over(Arc<Queue>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over();
    }
}

/// A batch of this many bytes is written, though more records wait: it bounds the buffer.
const ENOUGH: usize = 64 << 10;
