use std::time::Duration;

use tollgate_core::fact::Cost;

use super::account::Figures;

/// A budget as a ledger knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    /// The most that may be spent in a window.
    pub limit: Cost,
    /// What the bank has granted here and has not got back; of a budget that is not hard, what was reported to it.
    pub granted: Cost,
    /// In open holds.
    pub held: Cost,
    /// Settled here, in this window.
    pub spent: Cost,
    /// What is left, as far as is known here.
    pub left: Cost,
    /// When the window ends; absent if it does not, or is not known.
    pub ends_in: Option<Duration>,
}

impl State {
    pub(super) fn new(figures: Figures, now: u64) -> Self {
        Self {
            limit: Cost::from_nanos(figures.limit),
            granted: Cost::from_nanos(figures.granted),
            held: Cost::from_nanos(figures.held),
            spent: Cost::from_nanos(figures.spent),
            left: Cost::from_nanos(figures.left),
            ends_in: figures.ends_in(now),
        }
    }
}

impl Figures {
    pub(super) fn ends_in(&self, now: u64) -> Option<Duration> {
        let closes = self.closes?;
        Some(Duration::from_millis(closes.saturating_sub(now)))
    }
}
