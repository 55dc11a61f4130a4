use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tollgate_quota::{Rate, RateAccount, Remaining};

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
        (pool.debt, pool.debt_at) = (debt, now);
        pool.denied = None;
        if more == 0 {
            return;
        }
        pool.parts.retain(|part| now < part.until && part.left > 0);
        // The server gave it later than we asked.
        let until = sent + need.life;
        let full = pool.parts.len() >= PARTS;
        match pool.parts.last_mut() {
            Some(last) if full => {
                last.left = last.left.saturating_add(more);
                last.until = last.until.min(until);
            }
            _ => pool.parts.push(Part { left: more, until }),
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
        let some = need.life.min(need.gcra.time(need.gcra.capacity)) / 8;
        if let Some(pool) = self.pools().of(need, now) {
            (pool.debt, pool.debt_at) = (debt, now);
            pool.missed = pool.missed.saturating_add(need.least);
            pool.scarce_until = now + need.life;
            let some = if pool.is_busy(need) {
                some
            } else {
                Duration::ZERO
            };
            pool.denied = Some(Denied {
                least: need.least,
                until: now + wait.max(some).min(need.life),
                enough_at: now + wait.min(FAR),
            });
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

#[derive(Debug)]
struct Pool {
    gcra: Gcra,
    /// The oldest first.
    parts: Vec<Part>,
    /// What was admitted, by lease or by the server, since then.
    used: u64,
    /// What was refused.
    missed: u64,
    since: Instant,
    /// What half a life takes, or would take.
    wish: u64,
    asking: bool,
    denied: Option<Denied>,
    /// A life after the last refusal.
    scarce_until: Instant,
    /// What the account owed when the server told last.
    debt: u64,
    debt_at: Instant,
}

impl Pool {
    fn new(gcra: Gcra, now: Instant) -> Self {
        Self {
            gcra,
            parts: Vec::new(),
            used: 0,
            missed: 0,
            since: now,
            wish: 0,
            asking: false,
            denied: None,
            scarce_until: now,
            debt: 0,
            debt_at: now,
        }
    }

    /// Drops what is over, and sees how much is used in which time.
    fn settle(&mut self, need: &Need, now: Instant) {
        self.parts.retain(|part| now < part.until && part.left > 0);
        let (elapsed, half) = (now.saturating_duration_since(self.since), need.life / 2);
        if elapsed >= half {
            let wanted = u128::from(self.used) + u128::from(self.missed);
            let wish = wanted * half.as_micros() / elapsed.as_micros().max(1);
            self.wish = u64::try_from(wish).unwrap_or(u64::MAX);
            (self.used, self.missed, self.since) = (0, 0, now);
        }
    }

    /// Of few units too many would be left over when a lease ends.
    fn is_busy(&self, need: &Need) -> bool {
        let wish = self.wish.min(need.gcra.capacity / 4);
        need.least > 0 && wish / WORTH >= need.least
    }

    fn left(&self) -> u64 {
        self.parts.iter().map(|part| part.left).sum()
    }

    fn spend(&mut self, least: u64) -> bool {
        if self.left() < least {
            return false;
        }
        let mut open = least;
        for part in &mut self.parts {
            let taken = part.left.min(open);
            part.left -= taken;
            open -= taken;
        }
        self.used = self.used.saturating_add(least);
        true
    }

    fn denied(&self, least: u64, now: Instant) -> Option<Duration> {
        let denied = self.denied.as_ref()?;
        let holds = least >= denied.least && now < denied.until;
        let enough_at = denied.enough_at.max(denied.until);
        holds.then(|| enough_at.saturating_duration_since(now))
    }

    /// As far as this process knows.
    fn remaining(&self, now: Instant) -> Remaining {
        let elapsed = now.saturating_duration_since(self.debt_at).as_micros();
        let back = u64::try_from(elapsed)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.gcra.speed);
        let debt = self.debt.saturating_sub(back);
        Remaining {
            remaining: self.gcra.remaining(debt.saturating_sub(self.left())),
            reset: self.gcra.time(debt),
        }
    }
}

#[derive(Debug)]
struct Part {
    left: u64,
    until: Instant,
}

#[derive(Debug)]
struct Denied {
    least: u64,
    until: Instant,
    enough_at: Instant,
}

/// A lease lives for this part of a window: what the rate is lowered by.
const SHARE: u32 = 100;
/// Of a shorter one too much would pass on the way from the server.
const SHORTEST: Duration = Duration::from_millis(50);
/// A longer one would only be lost when its holder ends.
const LONGEST: Duration = Duration::from_secs(1);
/// A lease of fewer takes is not worth what may be left over.
const WORTH: u64 = 16;
/// What a way to the server takes, or somewhat more.
const SOON: Duration = Duration::from_millis(1);
const PARTS: usize = 4;
const POOLS: usize = 65_536;
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn need() -> Need {
        let rate = Rate {
            limit: 100_000,
            window: Duration::from_secs(100),
            burst: 100_000,
        };
        let (rate, life) = Leases::lower(rate).unwrap();
        let gcra = Gcra::new(rate).unwrap();
        Need {
            account: RateAccount {
                tenant: "acme".into(),
                limit: "requests".into(),
                account: "a".into(),
            },
            gcra,
            life,
            least: gcra.ticks(1).unwrap(),
        }
    }

    fn takes(leases: &Leases, need: &Need, now: Instant) -> usize {
        let ask = || {
            matches!(
                leases.take(std::slice::from_ref(need), now),
                Local::Taken { .. }
            )
        };
        std::iter::from_fn(|| ask().then_some(())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_leases_are_all_used() {
        let (leases, need, now) = (Leases::default(), need(), Instant::now());

        for _ in 0..3 * PARTS {
            leases.granted(&need, 0, 2 * need.least, now);
        }

        assert_eq!(takes(&leases, &need, now), 6 * PARTS);
    }

    #[tokio::test(start_paused = true)]
    async fn no_lease_is_used_after_its_life_when_there_are_many() {
        let (leases, need, now) = (Leases::default(), need(), Instant::now());

        for tenth in 0..10 {
            leases.granted(&need, 0, need.least, now + need.life * tenth / 10);
        }

        // Those of the last four tenths may be used yet.
        assert!(takes(&leases, &need, now + need.life * 3 / 2) <= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn no_lease_is_for_more_than_comes_back_in_its_life() {
        let (leases, need, now) = (Arc::new(Leases::default()), need(), Instant::now());
        leases.granted(&need, 0, 50_000 * need.least, now);
        assert_eq!(takes(&leases, &need, now), 50_000);
        takes(&leases, &need, now + need.life / 2);

        let (wish, asking) = leases.wish(&need, now + need.life / 2);

        assert!(asking.is_some());
        assert!(
            wish >= 900 * need.least && wish <= 1000 * need.least,
            "{wish}"
        );
    }
}
