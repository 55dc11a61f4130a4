use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};

/// What a [`Simulated`](super::Simulated) provider has served: its own meter. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    streams: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
}

/// What was counted at a moment.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Billed {
    /// Requests of models.
    pub requests: u64,
    /// Streams that were begun.
    pub streams: u64,
    /// Streams that were given whole.
    pub finished: u64,
    /// Streams that nobody read to their end.
    pub cancelled: u64,
    /// Tokens of input.
    pub input: u64,
    /// Tokens of output, those of a stream as they were given.
    pub output: u64,
}

impl Stats {
    /// What has been counted so far.
    #[must_use]
    pub fn read(&self) -> Billed {
        let it = &self.0;
        Billed {
            requests: it.requests.load(Relaxed),
            streams: it.streams.load(Relaxed),
            finished: it.finished.load(Relaxed),
            cancelled: it.cancelled.load(Relaxed),
            input: it.input.load(Relaxed),
            output: it.output.load(Relaxed),
        }
    }

    pub(super) fn request(&self) {
        self.0.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn bill(&self, input: u64, output: u64) {
        self.0.input.fetch_add(input, Relaxed);
        self.0.output.fetch_add(output, Relaxed);
    }

    pub(super) fn stream_begun(&self) {
        self.0.streams.fetch_add(1, Relaxed);
    }

    pub(super) fn stream_ended(&self, whole: bool) {
        let counter = if whole {
            &self.0.finished
        } else {
            &self.0.cancelled
        };
        counter.fetch_add(1, Relaxed);
    }
}
