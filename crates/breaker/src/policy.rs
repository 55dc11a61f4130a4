use std::time::Duration;

/// When a breaker opens, for how long, and when it closes again; the terms are resilience4j's.
///
/// ```
/// use std::time::Duration;
/// use tollgate_breaker::BreakerPolicy;
///
/// const CAUTIOUS: BreakerPolicy = BreakerPolicy::new()
///     .consecutive_failures(3)
///     .wait_in_open(Duration::from_secs(10))
///     .permitted_probes(2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    pub(crate) failure_rate_threshold: f64,
    pub(crate) sliding_window: u32,
    pub(crate) minimum_calls: u32,
    pub(crate) consecutive_failures: Option<u32>,
    pub(crate) wait_in_open: Duration,
    pub(crate) max_wait_in_open: Duration,
    pub(crate) jitter: f64,
    pub(crate) permitted_probes: u32,
    pub(crate) probe_deadline: Duration,
    pub(crate) max_saturation: Duration,
}

impl BreakerPolicy {
    /// The defaults: opens at half of the last 100 calls, or at five failures in a row, for five seconds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            failure_rate_threshold: 0.5,
            sliding_window: 100,
            minimum_calls: 20,
            consecutive_failures: Some(5),
            wait_in_open: Duration::from_secs(5),
            max_wait_in_open: Duration::from_secs(60),
            jitter: 0.0,
            permitted_probes: 1,
            probe_deadline: Duration::from_secs(60),
            max_saturation: Duration::from_secs(60),
        }
    }

    /// Opens when this share of the calls in the window has failed, or more; `0.5` by default.
    ///
    /// # Panics
    /// When the share is not above zero and at most one.
    #[must_use]
    pub const fn failure_rate_threshold(mut self, share: f64) -> Self {
        assert!(share > 0.0 && share <= 1.0, "a share is in (0, 1]");
        self.failure_rate_threshold = share;
        self
    }

    /// Looks at so many of the last calls; 100 by default.
    ///
    /// # Panics
    /// When it is zero, or more than 100,000.
    #[must_use]
    pub const fn sliding_window(mut self, calls: u32) -> Self {
        assert!(
            calls > 0 && calls <= 100_000,
            "a window has 1 to 100,000 calls"
        );
        self.sliding_window = calls;
        self
    }

    /// Does not judge the rate before so many calls, or a full window if that is smaller; 20 by default.
    #[must_use]
    pub const fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// Opens at once after so many failures in a row; five by default.
    ///
    /// # Panics
    /// When it is zero.
    #[must_use]
    pub const fn consecutive_failures(mut self, calls: u32) -> Self {
        assert!(calls > 0, "no failure is no reason");
        self.consecutive_failures = Some(calls);
        self
    }

    /// Judges by the rate alone.
    #[must_use]
    pub const fn without_consecutive_failures(mut self) -> Self {
        self.consecutive_failures = None;
        self
    }

    /// Stays open for so long, the first time; five seconds by default. Each time that the probes fail it is twice as
    /// long.
    #[must_use]
    pub const fn wait_in_open(mut self, wait: Duration) -> Self {
        self.wait_in_open = wait;
        self
    }

    /// Stays open for no longer than this, but for the jitter; 60 seconds by default.
    #[must_use]
    pub const fn max_wait_in_open(mut self, wait: Duration) -> Self {
        self.max_wait_in_open = wait;
        self
    }

    /// Stays open for up to this share longer, by chance, so that many replicas do not probe at once; none by default.
    ///
    /// # Panics
    /// When the share is not in `0.0..=0.5`.
    #[must_use]
    pub const fn jitter(mut self, share: f64) -> Self {
        assert!(share >= 0.0 && share <= 0.5, "a jitter is in [0, 0.5]");
        self.jitter = share;
        self
    }

    /// Lets so many calls through when half-open, and closes when all of them succeed; one by default.
    ///
    /// # Panics
    /// When it is zero.
    #[must_use]
    pub const fn permitted_probes(mut self, calls: u32) -> Self {
        assert!(calls > 0, "without a probe it would never close");
        self.permitted_probes = calls;
        self
    }

    /// Lets another probe through in the place of one that has not ended after so long; 60 seconds by default.
    #[must_use]
    pub const fn probe_deadline(mut self, deadline: Duration) -> Self {
        self.probe_deadline = deadline;
        self
    }

    /// Believes a saturated target's `Retry-After` up to this; 60 seconds by default.
    #[must_use]
    pub const fn max_saturation(mut self, wait: Duration) -> Self {
        self.max_saturation = wait;
        self
    }

    /// How long to stay open after so many failed rounds of probes. `chance` is in `0.0..1.0`.
    pub(crate) fn wait(&self, failed_rounds: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failed_rounds);
        let wait = self.wait_in_open.saturating_mul(doubled);
        let wait = wait.min(self.max_wait_in_open);
        wait.saturating_add(wait.mul_f64(self.jitter * chance.clamp(0.0, 1.0)))
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self::new()
    }
}
