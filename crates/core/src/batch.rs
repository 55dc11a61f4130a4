mod bill;
mod outcome;
mod policy;
mod run;
mod service;
mod share;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use self::table::Batches;
pub use self::{
    policy::Batch,
    service::{BatchFuture, BatchService},
    share::share_out,
};

/// Sends requests that come within a short time and have the same key as one, and takes the answer apart again. What a
/// key is, and how bodies are joined and answers taken apart, a [`Batch`] says.
///
/// The first request of a batch waits for company; the batch goes out when the window is over or the batch is full.
///
/// | option | what it bounds | default |
/// |---|---|---|
/// | [`window`](Self::window) | how long a request waits for others | 5 ms |
/// | [`max_items`](Self::max_items) | the items of a batch, and so its members | 256 |
/// | [`max_bytes`](Self::max_bytes) | the bodies of a batch, together | 256 KiB |
/// | [`max_open`](Self::max_open) | the batches that wait; beyond it, requests go alone | 1024 |
/// | [`max_answer`](Self::max_answer) | the answer to a batch, since it is read whole | 32 MiB |
/// | [`concurrency`](Self::concurrency) | the members of a refused batch that are sent at a time | 4 |
///
/// - A request that the policy does not read, or that fills a batch by itself, passes as it is, and so does a batch of
///   one: its answer streams.
/// - An answer with 4xx may be about one member only: each member is then sent by itself and gets its own answer. Not so
///   401, 403, 408 and 429, which are about all, as are 5xx and whatever else is no success: each gets the same answer.
/// - The service's error, and a panic, go to one member; the others are answered with 502, and the rejection
///   `batch_failed` about the target. So nothing is asked of the error's type.
/// - A member that leaves does not disturb the others. When all have left, the call to the inner service is dropped. No
///   task is spawned: whoever waits for the answer moves the call on.
///
/// The batch has a [`Trail`](crate::Trail) of its own. At each member's node stand the batch's
/// [`Dispatch`](crate::fact::Dispatch), [`Failure`](crate::fact::Failure) and notes, and the member's share of
/// [`Usage`](crate::fact::Usage) and [`Cost`](crate::fact::Cost): the shares of all members, those who have left
/// included, are exactly the whole. From when the batch goes out it counts as sent, until the inner service says otherwise.
///
/// Place it inside [`PayloadLayer`](crate::PayloadLayer), and inside whatever chooses a target. Members give the inner
/// service's readiness back and wait for it again when they are sent. Clones of one service share batches; services made
/// by separate calls of `layer` do not. It suits many short requests: each waits for the window, and the batch is as slow
/// as its slowest part.
pub struct BatchLayer<P> {
    policy: Arc<P>,
    options: Options,
}

impl<P> BatchLayer<P> {
    /// A layer that batches by this policy.
    pub fn new(policy: P) -> Self {
        Self {
            policy: Arc::new(policy),
            options: Options {
                window: Duration::from_millis(5),
                max_items: 256,
                max_bytes: 256 << 10,
                max_open: 1024,
                max_answer: 32 << 20,
                concurrency: 4,
            },
        }
    }

    /// Sets how long a request waits for others. With none, requests go alone.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.options.window = window;
        self
    }

    /// Sets the most items of a batch.
    #[must_use]
    pub const fn max_items(mut self, items: usize) -> Self {
        self.options.max_items = items;
        self
    }

    /// Sets how long the bodies of a batch may be together.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.options.max_bytes = bytes;
        self
    }

    /// Sets how many batches may wait at a time.
    #[must_use]
    pub const fn max_open(mut self, batches: usize) -> Self {
        self.options.max_open = batches;
        self
    }

    /// Sets the most bytes that the answer to a batch may have; for more, all members are answered with 502.
    #[must_use]
    pub const fn max_answer(mut self, bytes: usize) -> Self {
        self.options.max_answer = bytes;
        self
    }

    /// Sets how many members of a refused batch are sent at a time; at least one.
    #[must_use]
    pub const fn concurrency(mut self, members: usize) -> Self {
        self.options.concurrency = if members == 0 { 1 } else { members };
        self
    }
}

impl<S, P> Layer<S> for BatchLayer<P>
where
    S: Service<Request<Full<Bytes>>>,
    P: Batch,
{
    type Service = BatchService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        BatchService::new(inner, Batches::new(Arc::clone(&self.policy), self.options))
    }
}

impl<P> Clone for BatchLayer<P> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            options: self.options,
        }
    }
}

impl<P> fmt::Debug for BatchLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchLayer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Options {
    window: Duration,
    max_items: usize,
    max_bytes: usize,
    max_open: usize,
    max_answer: usize,
    concurrency: usize,
}
