use std::{
    hash::Hash,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock as _,
    middleware::{
        NoOpMiddleware, RateLimitingMiddleware, StateInformationMiddleware, StateSnapshot,
    },
};

use crate::{Quota, clock::Clock, policy::Left, store::Store};

/// A rate for each key: governor's GCRA, kept from growing without end.
pub(crate) struct Rates<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, Store<K>, Clock, StateInformationMiddleware>,
    store: Store<K>,
    sweep_every: Duration,
    /// In nanoseconds of the clock. Whoever moves it on sweeps.
    swept_at: AtomicU64,
}

impl<K: Clone + Eq + Hash> Rates<K> {
    pub(crate) fn new(quota: Quota) -> Self {
        let store = Store::new();
        Self {
            limiter: RateLimiter::new(quota.gcra(), store.clone(), Clock::start()),
            store,
            // A key that is idle can go once its burst is saved again.
            sweep_every: quota.refill().clamp(SWEEP_AT_LEAST, SWEEP_AT_MOST),
            swept_at: AtomicU64::new(0),
        }
    }

    /// Takes one request from a key's account.
    pub(crate) fn take(&self, key: &K, max_keys: usize) -> Result<Left, Spent> {
        if self.store.len() >= max_keys && !self.store.contains(key) {
            self.sweep(self.limiter.clock().now(), SWEEP_WHEN_FULL);
            if self.store.len() >= max_keys {
                return Err(Spent::Full);
            }
        }
        let checked = self.limiter.check_key(key);
        // Read after the decision, so that what is left to wait is not rounded up to a second more.
        let now = self.limiter.clock().now();
        self.sweep(now, self.sweep_every);
        match checked {
            Ok(state) => Ok(Left {
                remaining: state.remaining_burst_capacity(),
                reset: Some(full_in(state, now)),
            }),
            Err(refused) => Err(Spent::Until(refused.wait_time_from(now))),
        }
    }

    /// How many keys have an account.
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// Forgets the keys whose accounts are full: they differ in nothing from unknown ones, so that no debt is forgiven.
    fn sweep(&self, now: Duration, every: Duration) {
        let swept_at = self.swept_at.load(Ordering::Relaxed);
        if now < Duration::from_nanos(swept_at) + every {
            return;
        }
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let turn =
            self.swept_at
                .compare_exchange(swept_at, nanos, Ordering::Relaxed, Ordering::Relaxed);
        if turn.is_ok() {
            let before = self.store.len();
            self.limiter.retain_recent();
            if self.store.len() < before / 2 {
                self.limiter.shrink_to_fit();
            }
        }
    }
}

/// Why nothing could be taken.
#[derive(Debug)]
pub(crate) enum Spent {
    /// The next request comes back in so long.
    Until(Duration),
    /// All accounts are in use, and this key has none.
    Full,
}

/// The time until an account is full. Governor tells it only of a refusal, so the state is dressed as one.
fn full_in(state: StateSnapshot, now: Duration) -> Duration {
    let start = Duration::ZERO; // the limiter was made when its clock was started
    NoOpMiddleware::<Duration>::disallow(&(), state, start).wait_time_from(now)
}

// A sweep of a million keys takes some ten milliseconds of one request.
const SWEEP_AT_LEAST: Duration = Duration::from_secs(10);
const SWEEP_AT_MOST: Duration = Duration::from_secs(60 * 60);
const SWEEP_WHEN_FULL: Duration = Duration::from_secs(1);
