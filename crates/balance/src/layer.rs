use std::{fmt, sync::Arc, time::Duration};

use http::request::Parts;
use tollgate_core::fact::Target;
use tower_layer::Layer;

use crate::{BalanceService, Pool, RetryBudget, status::Statuses};

/// Chooses which of several targets serves a request, and tries the next one when it fails before its first byte.
///
/// The service inside finds the [`Target`] among the request's extensions and knows how to reach it. Clones share what
/// is known of the targets.
///
/// ```
/// use tollgate_balance::BalanceLayer;
/// use tollgate_core::fact::Target;
///
/// let layer = BalanceLayer::new([Target::new("near"), Target::new("far")]).attempts(2);
/// # let _ = layer;
/// ```
pub struct BalanceLayer<F> {
    pool: Arc<F>,
    shared: Arc<Shared>,
}

impl BalanceLayer<fn(&Parts) -> Option<Pool>> {
    /// Balances over these targets, by weight.
    pub fn new(
        targets: impl IntoIterator<Item = Target>,
    ) -> BalanceLayer<impl Fn(&Parts) -> Option<Pool> + Clone> {
        let pool = Pool::new(targets);
        BalanceLayer::by(move |_: &Parts| Some(pool.clone()))
    }
}

impl<F: Fn(&Parts) -> Option<Pool>> BalanceLayer<F> {
    /// Balances over the pool that this finds for a request. Where it finds none, the answer is 503 `no_target`.
    pub fn by(pool: F) -> Self {
        Self {
            pool: Arc::new(pool),
            shared: Arc::default(),
        }
    }

    /// How many targets a request is sent to at most; three by default. Refusals before anything is sent do not count.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options().attempts = attempts.max(1);
        self
    }

    /// Bounds retries as a share of the requests.
    #[must_use]
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.options().budget = Arc::new(budget);
        self
    }

    /// The longest time that a `Retry-After` can take a target out; a minute by default.
    #[must_use]
    pub fn longest_break(mut self, longest: Duration) -> Self {
        self.options().longest_break = longest;
        self
    }

    fn options(&mut self) -> &mut Options {
        // Clones made before an option is set keep theirs, and share the rest.
        let shared = Arc::new(Shared {
            options: self.shared.options.clone(),
            statuses: Arc::clone(&self.shared.statuses),
        });
        self.shared = shared;
        &mut Arc::get_mut(&mut self.shared)
            .expect("made just now")
            .options
    }
}

impl<S, F> Layer<S> for BalanceLayer<F> {
    type Service = BalanceService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        BalanceService::new(inner, Arc::clone(&self.pool), Arc::clone(&self.shared))
    }
}

impl<F> Clone for BalanceLayer<F> {
    fn clone(&self) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<F> fmt::Debug for BalanceLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceLayer")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) statuses: Arc<Statuses>,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) attempts: u32,
    pub(crate) budget: Arc<RetryBudget>,
    pub(crate) longest_break: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 3,
            budget: Arc::default(),
            longest_break: Duration::from_secs(60),
        }
    }
}
