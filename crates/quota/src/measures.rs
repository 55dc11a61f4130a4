use std::ops::BitOr;

/// Which limits a layer looks after. Where a stack has two layers, one before the body is read and one around each
/// attempt, they share their rules, and each looks after its own.
///
/// ```
/// use tollgate_quota::{Measures, QuotaLayer};
///
/// let quota = QuotaLayer::allotted();
/// let outer = quota.clone().only(Measures::ARRIVAL);
/// let inner = quota.only(Measures::SPENDING);
/// # let _ = (outer, inner);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measures(u8);

impl Measures {
    /// Rates of requests, and of what a function counts.
    pub const REQUESTS: Self = Self(1);
    /// Requests in flight.
    pub const CONCURRENCY: Self = Self(2);
    /// Rates of tokens.
    pub const TOKENS: Self = Self(4);
    /// Budgets.
    pub const MONEY: Self = Self(8);

    /// None of them.
    pub(crate) const NONE: Self = Self(0);
    /// What is known when a request arrives: requests, and how many are in flight.
    pub const ARRIVAL: Self = Self(1 | 2);
    /// What is known where it is to be served: tokens and money.
    pub const SPENDING: Self = Self(4 | 8);
    /// All of them.
    pub const ALL: Self = Self(15);

    /// Whether all of these are among them.
    #[must_use]
    pub const fn contain(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Measures {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
