mod pool;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tollgate_quota::{Rate, RateAccount, Remaining};

use self::pool::Pool;
use super::gcra::Gcra;

/// What this process has taken ahead of its callers. A lease is used up or is over soon after it was asked for.
///
/// The server gives out `burst + limit * t / (window + life)` in a time `t` at most, and a lease is used within its `life`
/// after it was given: what all processes admit in a window was given in `window + life`, and is `burst + limit` at most.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Pools>);

impl Leases {
    /// The rate as the server is to keep it, and how long a lease may be used; `None` if a window is too short for leases.
    pub(crate) fn lower(rate: Rate) -> Option<(Rate, Duration)> {
        let life = (rate.window / SHARE).min(LONGEST);
        let window = rate.window.checked_add(life)?;
        (life >= SHORTEST).then_some((Rate { window, ..rate }, life))
    }

    /// Takes from all of these, if all have leases enough.
    pub(crate) fn take(&self, needs: &[Need], now: Instant) -> Local {
        let mut pools = self.pools();
        pools.sweep(now);
        let mut lacking = false;
        for (index, need) in needs.iter().enumerate() {
            let Some(pool) = pools.of(need, now) else {
                lacking = true;
                continue;
            };
            pool.settle(need, now);
            if pool.left() >= need.least {
                continue;
            }
            lacking = true;
            let wait = match pool.denied(need.least, now) {
                // Who asks at the limit brings what there is; all others would ask in vain.
                None if pool.asking && now < pool.scarce_until => Some(SOON),
                wait => wait,
            };
            if let Some(wait) = wait {
                pool.missed = pool.missed.saturating_add(need.least);
                let remaining = pool.remaining(now).remaining;
                return Local::Short {
                    index,
                    remaining,
                    wait,
                };
            }
        }
        if lacking {
            return Local::Ask;
        }
        let mut refill = Vec::new();
        let mut left = Vec::with_capacity(needs.len());
        for (index, need) in needs.iter().enumerate() {
            // The same account may be needed twice.
            let Some(pool) = pools.map.get_mut(&need.account) else {
                return Local::Ask;
            };
            if !pool.spend(need.least) {
                return Local::Ask;
            }
            // At the limit there is nothing to be had ahead.
            if pool.left() < pool.wish / 4 && !pool.asking && now >= pool.scarce_until {
                refill.push(index);
            }
            left.push(pool.remaining(now));
        }
        Local::Taken { left, refill }
    }

    /// How much is worth taking for an account that asks the server; only one may ask for more than it needs at a time.
    pub(crate) fn wish(self: &Arc<Self>, need: &Need, now: Instant) -> (u64, Option<Asking>) {
        let mut pools = self.pools();
        let Some(pool) = pools.of(need, now) else {
            return (need.least, None);
        };
        // While a burst is used up, a process could hold much of it, and lose it when it has to wait for a processor. What
        // comes back in a lease's life is enough for any that goes on.
        let wish = pool
            .wish
            .min(need.back_in_a_life())
            .min(need.gcra.capacity / 4);
        if pool.asking || pool.left() > wish / 4 || !pool.is_busy(need) {
            return (need.least, None);
        }
        pool.asking = true;
        let asking = Asking {
            leases: Arc::clone(self),
            account: need.account.clone(),
        };
        (wish, Some(asking))
    }

    /// Keeps what was given beyond what was needed at once.
    pub(crate) fn granted(&self, need: &Need, debt: u64, more: u64, sent: Instant) {
        let now = Instant::now();
        let mut pools = self.pools();
        let Some(pool) = pools.of(need, now) else {
            return;
        };
        pool.owes(debt, now);
        pool.denied = None;
        if more > 0 {
            // The server gave it later than we asked.
            pool.keep(more, sent + need.life, now);
        }
    }

    /// What was used counts for how much is taken ahead.
    pub(crate) fn used(&self, need: &Need) {
        if let Some(pool) = self.pools().map.get_mut(&need.account) {
            pool.used = pool.used.saturating_add(need.least);
        }
    }

    /// Does not ask again before it can be of use, nor for each unit that comes back; but within a lease's life, for a
    /// correction may have changed it.
    pub(crate) fn refused(&self, need: &Need, debt: u64, wait: Duration) {
        let now = Instant::now();
        if let Some(pool) = self.pools().of(need, now) {
            pool.owes(debt, now);
            pool.deny(need, wait, now);
        }
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request takes of an account, in ticks of the lowered rate.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    pub(crate) account: RateAccount,
    pub(crate) gcra: Gcra,
    pub(crate) life: Duration,
    pub(crate) least: u64,
}

impl Need {
    fn back_in_a_life(&self) -> u64 {
        let life = u64::try_from(self.life.as_micros()).unwrap_or(u64::MAX);
        self.gcra.speed.saturating_mul(life)
    }
}

/// What the leases say.
pub(crate) enum Local {
    /// All were taken; these should be asked for ahead.
    Taken {
        left: Vec<Remaining>,
        refill: Vec<usize>,
    },
    /// The server has just refused as much.
    Short {
        index: usize,
        remaining: u64,
        wait: Duration,
    },
    /// The server has to be asked.
    Ask,
}

/// That an account is being asked for ahead, until it is dropped.
#[derive(Debug)]
pub(crate) struct Asking {
    leases: Arc<Leases>,
    account: RateAccount,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(pool) = self.leases.pools().map.get_mut(&self.account) {
            pool.asking = false;
        }
    }
}

#[derive(Debug, Default)]
struct Pools {
    map: HashMap<RateAccount, Pool>,
    swept_at: Option<Instant>,
}

impl Pools {
    /// `None` if there are too many.
    fn of(&mut self, need: &Need, now: Instant) -> Option<&mut Pool> {
        if self.map.len() >= POOLS && !self.map.contains_key(&need.account) {
            return None;
        }
        let pool = self.map.entry(need.account.clone());
        let pool = pool.or_insert_with(|| Pool::new(need.gcra, now));
        if pool.gcra != need.gcra {
            *pool = Pool::new(need.gcra, now);
        }
        Some(pool)
    }

    /// Forgets accounts whose leases are over.
    fn sweep(&mut self, now: Instant) {
        if self.swept_at.is_none_or(|at| now >= at + LONGEST) {
            self.swept_at = Some(now);
            self.map.retain(|_, pool| now < pool.since + 2 * LONGEST);
        }
    }
}

/// A lease lives for this part of a window: what the rate is lowered by.
const SHARE: u32 = 100;
/// Of a shorter one too much would pass on the way from the server.
const SHORTEST: Duration = Duration::from_millis(50);
/// A longer one would only be lost when its holder ends.
const LONGEST: Duration = Duration::from_secs(1);
/// What a way to the server takes, or somewhat more.
const SOON: Duration = Duration::from_millis(1);
const POOLS: usize = 65_536;

#[cfg(test)]
mod tests;
