use std::{num::NonZeroU32, time::Duration};

/// How many requests may be made in how much time.
///
/// It is a token bucket (GCRA): a caller that has been idle may make [`burst`](Self::burst) requests at once, and what
/// it has used comes back smoothly, one request every `window / limit`.
///
/// ```
/// use tollgate_quota::Quota;
///
/// const STEADY: Quota = Quota::per_minute(60).burst(5); // one a second, five at once
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    limit: NonZeroU32,
    burst: NonZeroU32,
    window: Duration,
}

impl Quota {
    /// Allows `limit` requests a second.
    ///
    /// # Panics
    /// When `limit` is zero; in a `const`, that is a compile error.
    #[must_use]
    pub const fn per_second(limit: u32) -> Self {
        Self::new(limit, 1)
    }

    /// Allows `limit` requests a minute.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_minute(limit: u32) -> Self {
        Self::new(limit, 60)
    }

    /// Allows `limit` requests an hour.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_hour(limit: u32) -> Self {
        Self::new(limit, 60 * 60)
    }

    /// Allows `limit` requests a day, which is any 24 hours.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub const fn per_day(limit: u32) -> Self {
        Self::new(limit, 24 * 60 * 60)
    }

    /// Lets an idle caller save up to `burst` requests; by default, one window's worth.
    ///
    /// # Panics
    /// When `burst` is zero, or takes more than a hundred years to save.
    #[must_use]
    pub const fn burst(self, burst: u32) -> Self {
        let burst = NonZeroU32::new(burst).expect("a burst allows at least one request");
        let quota = Self { burst, ..self };
        assert!(
            quota.interval().as_nanos() * (burst.get() as u128) <= CENTURY.as_nanos(),
            "a burst is saved within a hundred years"
        );
        quota
    }

    const fn new(limit: u32, seconds: u64) -> Self {
        let limit = NonZeroU32::new(limit).expect("a quota allows at least one request");
        Self {
            limit,
            burst: limit,
            window: Duration::from_secs(seconds),
        }
    }

    pub(crate) const fn limit(self) -> u32 {
        self.limit.get()
    }

    pub(crate) const fn window(self) -> Duration {
        self.window
    }

    /// How long it takes to save up a whole burst.
    pub(crate) const fn refill(self) -> Duration {
        self.interval().saturating_mul(self.burst.get())
    }

    /// The time in which one request comes back. It is rounded down to the nanosecond, so that a whole window gives back
    /// no less than the limit; the excess is below one in 10^9 for each request a second.
    const fn interval(self) -> Duration {
        let nanos = self.window.as_nanos() as u64 / self.limit.get() as u64;
        Duration::from_nanos(if nanos == 0 { 1 } else { nanos })
    }

    pub(crate) fn gcra(self) -> governor::Quota {
        governor::Quota::with_period(self.interval())
            .expect("an interval is never zero")
            .allow_burst(self.burst)
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_comes_back_every_limit_th_of_the_window() {
        for (quota, interval) in [
            (Quota::per_second(4), Duration::from_millis(250)),
            (Quota::per_minute(60), Duration::from_secs(1)),
            (
                Quota::per_hour(7).burst(1),
                Duration::from_nanos(514_285_714_285),
            ),
            (Quota::per_day(1), Duration::from_secs(86_400)),
            (Quota::per_second(u32::MAX), Duration::from_nanos(1)),
        ] {
            assert_eq!(quota.interval(), interval, "{quota:?}");
        }
    }

    #[test]
    #[should_panic(expected = "at least one request")]
    fn a_quota_of_nothing_is_a_mistake() {
        let _ = Quota::per_minute(0);
    }

    #[test]
    #[should_panic(expected = "hundred years")]
    fn a_burst_that_nobody_can_save_is_a_mistake() {
        let _ = Quota::per_day(1).burst(u32::MAX);
    }
}
