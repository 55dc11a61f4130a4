use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use dashmap::{DashMap, Entry};
use tokio::time::Instant;

use crate::{
    Rate,
    account::{AccountId, Hashed},
    bucket::Bucket,
};

/// A bucket for each account of each rate, kept from growing without end.
pub(crate) struct Rates {
    epoch: Instant,
    buckets: DashMap<AccountId, Bucket, Hashed>,
    /// To count a `DashMap` locks all of its shards.
    len: AtomicUsize,
    /// In nanoseconds of the clock. Whoever moves it on sweeps.
    swept_at: AtomicU64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            buckets: DashMap::default(),
            len: AtomicUsize::new(0),
            swept_at: AtomicU64::new(0),
        }
    }

    /// The time, in nanoseconds of the clock. It is tokio's, so that paused time counts.
    pub(crate) fn now(&self) -> u64 {
        let elapsed = Instant::now().saturating_duration_since(self.epoch);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Does something to an account. Nothing, if there is none and no room for one.
    pub(crate) fn with<T>(
        &self,
        id: AccountId,
        now: u64,
        max: usize,
        change: impl FnOnce(&mut Bucket) -> T,
    ) -> Option<T> {
        self.sweep(now, SWEEP_EVERY);
        if let Some(mut bucket) = self.buckets.get_mut(&id) {
            return Some(change(&mut bucket));
        }
        if self.len() >= max {
            self.sweep(now, SWEEP_WHEN_FULL);
            if self.len() >= max {
                return None;
            }
        }
        Some(match self.buckets.entry(id) {
            Entry::Occupied(mut entry) => change(entry.get_mut()),
            Entry::Vacant(entry) => {
                self.len.fetch_add(1, Ordering::Relaxed);
                change(&mut entry.insert(Bucket::default()))
            }
        })
    }

    /// Does something to an account that is there. One that is not has nothing to be given back.
    pub(crate) fn mend(
        &self,
        id: AccountId,
        rate: Option<Rate>,
        change: impl FnOnce(&mut Bucket, Rate, u64),
    ) {
        if let (Some(mut bucket), Some(rate)) = (self.buckets.get_mut(&id), rate) {
            change(&mut bucket, rate, self.now());
        }
    }

    /// How many accounts there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Forgets accounts that are full: they differ in nothing from unknown ones, so that no debt is forgiven.
    fn sweep(&self, now: u64, every: Duration) {
        let swept_at = self.swept_at.load(Ordering::Relaxed);
        if u128::from(now) < u128::from(swept_at) + every.as_nanos() {
            return;
        }
        let turn =
            self.swept_at
                .compare_exchange(swept_at, now, Ordering::Relaxed, Ordering::Relaxed);
        if turn.is_err() {
            return;
        }
        let before = self.len();
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
        // What came in meanwhile may be counted wrong by a few, until the next time.
        self.len.store(self.buckets.len(), Ordering::Relaxed);
        if self.len() < before / 2 {
            self.buckets.shrink_to_fit();
        }
    }
}

// A sweep of a million accounts takes some ten milliseconds of one request.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
const SWEEP_WHEN_FULL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_accounts_fit_into_a_hundred_megabytes() {
        // A table has up to 16 places for seven entries when it has just grown, and a byte for each place.
        let place = size_of::<(AccountId, Bucket)>() + 1;

        assert!(1_000_000 * place * 16 / 7 < 100_000_000, "{place}");
    }
}
