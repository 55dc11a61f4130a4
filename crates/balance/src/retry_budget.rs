use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// How many retries there may be for so many requests, so that retrying cannot multiply the load of an outage.
///
/// Each request pays in a share of a retry and each retry takes a whole one out, as in Finagle's budget. What is paid
/// in beyond the reserve is lost, so that a quiet hour does not pay for a storm.
///
/// ```
/// use tollgate_balance::RetryBudget;
///
/// // One retry for five requests, and up to ten at once.
/// let budget = RetryBudget::new(0.2, 10);
/// # let _ = budget;
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    share: i64,
    most: i64,
    balance: AtomicI64,
}

impl RetryBudget {
    /// Allows `ratio` retries a request (0 to 10), and `reserve` retries at once; the reserve is full at first.
    #[must_use]
    pub const fn new(ratio: f64, reserve: u32) -> Self {
        let most = reserve as i64 * ONE;
        Self {
            share: (ratio.clamp(0.0, 10.0) * ONE as f64) as i64,
            most,
            balance: AtomicI64::new(most),
        }
    }

    /// A request came in.
    pub(crate) fn deposit(&self) {
        let pay_in = |balance: i64| {
            let sum = balance.saturating_add(self.share).min(self.most);
            (sum != balance).then_some(sum)
        };
        let _ = self.balance.fetch_update(Relaxed, Relaxed, pay_in);
    }

    /// Takes a retry out, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        let take_out = |balance: i64| (balance >= ONE).then(|| balance - ONE);
        self.balance
            .fetch_update(Relaxed, Relaxed, take_out)
            .is_ok()
    }
}

impl Default for RetryBudget {
    /// One retry for five requests, and up to ten at once.
    fn default() -> Self {
        Self::new(0.2, 10)
    }
}

const ONE: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::RetryBudget;

    fn retries(budget: &RetryBudget, requests: usize) -> usize {
        let one = || {
            budget.deposit();
            budget.withdraw()
        };
        (0..requests).filter(|_| one()).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_and_a_reserve() {
        assert_eq!(retries(&RetryBudget::new(0.2, 10), 1000), 10 + 199);
        assert_eq!(retries(&RetryBudget::new(0.0, 3), 1000), 3);
        assert_eq!(retries(&RetryBudget::new(f64::NAN, 0), 1000), 0);
    }

    #[test]
    fn a_quiet_hour_does_not_pay_for_a_storm() {
        let budget = RetryBudget::new(0.2, 10);
        for _ in 0..1_000_000 {
            budget.deposit();
        }

        assert_eq!((0..1000).filter(|_| budget.withdraw()).count(), 10);
    }
}
