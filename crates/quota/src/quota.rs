use std::time::Duration;

use crate::Rate;

/// How much of something may be used in how much time: requests, tokens, or whatever a function counts.
///
/// It is a token bucket (GCRA): a caller that has been idle may use a [`burst`](Self::burst) at once, and what it has
/// used comes back smoothly, one unit every `window / limit`.
///
/// ```
/// use tollgate_quota::Quota;
///
/// const STEADY: Quota = Quota::per_minute(60).burst(5); // one a second, five at once
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    limit: u64,
    burst: u64,
    window: Duration,
}

impl Quota {
    /// Allows `limit` units a second.
    ///
    /// # Panics
    /// When `limit` is zero; in a `const`, that is a compile error.
    #[must_use]
    pub const fn per_second(limit: u64) -> Self {
        Self::new(limit, 1)
    }

    /// Allows `limit` units a minute.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_minute(limit: u64) -> Self {
        Self::new(limit, 60)
    }

    /// Allows `limit` units an hour.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_hour(limit: u64) -> Self {
        Self::new(limit, 60 * 60)
    }

    /// Allows `limit` units a day, which is any 24 hours.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_day(limit: u64) -> Self {
        Self::new(limit, 24 * 60 * 60)
    }

    /// Lets an idle caller save up to `burst` units; by default, one window's worth.
    ///
    /// # Panics
    /// When `burst` is zero, or takes more than a hundred years to save.
    #[must_use]
    pub const fn burst(self, burst: u64) -> Self {
        assert!(burst > 0, "a burst allows at least one unit");
        assert!(
            burst as u128 * self.window.as_nanos() <= CENTURY.as_nanos() * self.limit as u128,
            "a burst is saved within a hundred years"
        );
        Self { burst, ..self }
    }

    const fn new(limit: u64, seconds: u64) -> Self {
        assert!(limit > 0, "a quota allows at least one unit");
        Self {
            limit,
            burst: limit,
            window: Duration::from_secs(seconds),
        }
    }
}

impl From<Quota> for Rate {
    fn from(quota: Quota) -> Self {
        Self {
            limit: quota.limit,
            window: quota.window,
            burst: quota.burst,
        }
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "at least one unit")]
    fn a_quota_of_nothing_is_a_mistake() {
        let _ = Quota::per_minute(0);
    }

    #[test]
    #[should_panic(expected = "hundred years")]
    fn a_burst_that_nobody_can_save_is_a_mistake() {
        let _ = Quota::per_day(1).burst(u64::MAX);
    }
}
