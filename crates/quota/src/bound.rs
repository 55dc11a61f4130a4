use std::fmt;

use tollgate_core::fact::Cost;

/// What a request may cost at most, for [`QuotaLayer::bound`](crate::QuotaLayer::bound).
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
/// use tollgate_core::fact::Cost;
/// use tollgate_quota::{Bound, Ledger, QuotaLayer};
///
/// let price = Arc::new(AtomicI64::new(3));
/// let layer = QuotaLayer::allotted().ledger(Ledger::volatile()).bound(move |_, output| {
///     let tokens = output.unwrap_or(4_096).min(4_096);
///     let price = Arc::clone(&price);
///     let cost = move || Cost::from_nanos(price.load(Ordering::Relaxed) * tokens as i64);
///     Ok(Bound::new(cost(), tokens).again(move || Some(cost())))
/// });
/// layer.reprice(); // when the price has changed
/// ```
pub struct Bound {
    pub(crate) cost: Cost,
    pub(crate) output: u64,
    pub(crate) again: Option<Again>,
}

/// What it may cost by the prices of now, if that is known.
pub(crate) type Again = Box<dyn Fn() -> Option<Cost> + Send + Sync>;

impl Bound {
    /// A bound: the cost, and how many tokens of output, for each answer, that pays for.
    #[must_use]
    pub const fn new(cost: Cost, output: u64) -> Self {
        Self {
            cost,
            output,
            again: None,
        }
    }

    /// Says what the same request may cost by the prices of now, for as long as it is open. It is asked by
    /// [`QuotaLayer::reprice`](crate::QuotaLayer::reprice), and should keep little.
    #[must_use]
    pub fn again(mut self, cost: impl Fn() -> Option<Cost> + Send + Sync + 'static) -> Self {
        self.again = Some(Box::new(cost));
        self
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("cost", &self.cost)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
