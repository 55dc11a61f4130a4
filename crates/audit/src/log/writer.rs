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
    records: Vec<Record>,
    lines: Vec<u8>,
    // Last, so that the sink is closed before others hear that this is over.
    queue: Over,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(queue: Arc<Queue>, sink: S) -> Self {
        Self {
            sink,
            records: Vec::new(),
            lines: Vec::new(),
            queue: Over(queue),
        }
    }

    pub(super) fn run(mut self) {
        let mut entries = Vec::new();
        while self.queue.0.take(&mut entries) {
            for record in entries.drain(..) {
                json::write_line(&record, &mut self.lines);
                self.records.push(record);
                if self.lines.len() >= ENOUGH {
                    self.write();
                }
            }
            self.write();
        }
    }

    fn write(&mut self) {
        let (records, queue) = (self.records.len(), &self.queue.0);
        if records == 0 {
            return;
        }
        let batch = Batch {
            records: &self.records,
            lines: &self.lines,
        };
        loop {
            match taken(&mut self.sink, &batch) {
                Ok(()) => break queue.recovered(),
                Err(error) if !queue.failed(&error) => break queue.lose(records as u64),
                Err(_) => {}
            }
        }
        queue.done(records);
        self.records.clear();
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
