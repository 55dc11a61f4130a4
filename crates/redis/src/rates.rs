mod gcra;
mod leases;
mod store;

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;
use tollgate_quota::{Correction, Rate, RateStore, Remaining, Take, Taken, bank::Answering};

use self::{
    gcra::Gcra,
    leases::{Leases, Local, Need},
    store::{Ask, Change, Decision, Store},
};
use crate::{Redis, RedisError, key::Keys};

/// Rates that processes share.
///
/// ```no_run
/// use secrecy::SecretString;
/// use tollgate_redis::{Redis, RedisRates};
///
/// let redis = Redis::open(&SecretString::from("redis://127.0.0.1"))?;
/// let rates = RedisRates::new(redis).prefix("shop");
/// # Ok::<(), tollgate_redis::RedisError>(())
/// ```
#[derive(Clone)]
pub struct RedisRates(Arc<Inner>);

impl RedisRates {
    /// Keeps them here, and asks for each decision.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self(Arc::new(Inner {
            store: Arc::new(Store::new(redis)),
            keys: Keys::default(),
            leases: None,
        }))
    }

    /// Sets what the names of all keys begin with; `tollgate` by default.
    ///
    /// # Panics
    /// When the prefix has braces.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(&self.0.store),
            keys: Keys::new(prefix),
            leases: self.0.leases.as_ref().map(|_| Arc::default()),
        }))
    }

    /// Takes ahead what busy accounts will soon use, and decides by that without asking. All processes that share a rate
    /// have to do the same.
    ///
    /// In any window no more than `burst + limit` is admitted by all of them together. A lease ends a hundredth of the
    /// window (one second at most) after it was asked for, used or not, and what comes back is lowered to `limit` in
    /// `window` and that time, so one part in 101. In shorter times than a window a hundredth of the limit more may be
    /// admitted. Windows under five seconds are not leased.
    #[must_use]
    pub fn leased(self) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(&self.0.store),
            keys: self.0.keys.clone(),
            leases: Some(Arc::default()),
        }))
    }
}

impl RateStore for RedisRates {
    fn take(&self, takes: Vec<Take>) -> Answering<Taken> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.take(takes).await?) })
    }

    fn correct(&self, corrections: Vec<Correction>) {
        let changes = corrections.iter().filter_map(|correction| {
            let (rate, _) = self.0.as_kept(correction.rate);
            let gcra = Gcra::new(rate)?;
            Some(Change {
                tenant: Arc::clone(&correction.account.tenant),
                key: self.0.keys.rate(&correction.account),
                gcra,
                more: gcra.correction(correction.more),
                taken_at: 0,
            })
        });
        self.0.store.change(changes.collect());
    }
}

impl fmt::Debug for RedisRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRates")
            .field("store", &self.0.store)
            .field("leased", &self.0.leases.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    keys: Keys,
    leases: Option<Arc<Leases>>,
}

impl Inner {
    async fn take(&self, takes: Vec<Take>) -> Result<Taken, RedisError> {
        let mut needs = Vec::with_capacity(takes.len());
        let mut leased = self.leases.is_some();
        for (index, take) in takes.iter().enumerate() {
            match self.need(take) {
                Some((need, can_be_leased)) => {
                    leased &= can_be_leased;
                    needs.push(need);
                }
                // It will not be there by waiting either; who asks again is told the same.
                None => {
                    return Ok(Taken::Short {
                        index,
                        remaining: 0,
                        wait: take.rate.window,
                    });
                }
            }
        }
        if needs.is_empty() {
            return Ok(Taken::All(Vec::new()));
        }
        match self.leases.as_ref().filter(|_| leased) {
            Some(leases) => self.take_leased(&needs, leases).await,
            None => self.take_directly(&needs).await,
        }
    }

    async fn take_directly(&self, needs: &[Need]) -> Result<Taken, RedisError> {
        let asks: Vec<_> = needs
            .iter()
            .map(|need| self.ask(need, need.least))
            .collect();
        Ok(match self.store.decide(&asks).await? {
            Decision::Granted(granted) => Taken::All(
                needs
                    .iter()
                    .zip(granted)
                    .map(|(need, grant)| need.remaining(grant.debt))
                    .collect(),
            ),
            Decision::Short { index, debt, wait } => Taken::Short {
                index,
                remaining: needs[index].gcra.remaining(debt),
                wait,
            },
        })
    }

    async fn take_leased(&self, needs: &[Need], leases: &Arc<Leases>) -> Result<Taken, RedisError> {
        match leases.take(needs, Instant::now()) {
            Local::Taken { left, refill } => {
                for index in refill {
                    self.refill(needs[index].clone(), leases);
                }
                return Ok(Taken::All(left));
            }
            Local::Short {
                index,
                remaining,
                wait,
            } => {
                return Ok(Taken::Short {
                    index,
                    remaining,
                    wait,
                });
            }
            Local::Ask => {}
        }
        let sent = Instant::now();
        let (asks, _asking): (Vec<_>, Vec<_>) = needs
            .iter()
            .map(|need| {
                let (wish, asking) = leases.wish(need, sent);
                (self.ask(need, wish), asking)
            })
            .unzip();
        Ok(match self.store.decide(&asks).await? {
            Decision::Granted(granted) => {
                let mut left = Vec::with_capacity(needs.len());
                for (need, grant) in needs.iter().zip(granted) {
                    leases.granted(need, grant.debt, grant.got.saturating_sub(need.least), sent);
                    leases.used(need);
                    left.push(need.remaining(grant.debt));
                }
                Taken::All(left)
            }
            Decision::Short { index, debt, wait } => {
                leases.refused(&needs[index], debt, wait);
                Taken::Short {
                    index,
                    remaining: needs[index].gcra.remaining(debt),
                    wait,
                }
            }
        })
    }

    /// Asks ahead of the next request. If that fails, the request will ask.
    fn refill(&self, need: Need, leases: &Arc<Leases>) {
        let sent = Instant::now();
        let (wish, Some(asking)) = leases.wish(&need, sent) else {
            return;
        };
        let ask = self.ask(&need, wish);
        let (store, leases) = (Arc::clone(&self.store), Arc::clone(leases));
        tokio::spawn(async move {
            let _asking = asking;
            match store.decide(&[ask]).await {
                Ok(Decision::Granted(granted)) => {
                    for grant in granted {
                        leases.granted(&need, grant.debt, grant.got, sent);
                    }
                }
                Ok(Decision::Short { debt, wait, .. }) => leases.refused(&need, debt, wait),
                Err(_) => {}
            }
        });
    }

    /// `None` if so much can never be taken. Else also whether leases may serve it.
    fn need(&self, take: &Take) -> Option<(Need, bool)> {
        let (rate, life) = self.as_kept(take.rate);
        let gcra = Gcra::new(rate)?;
        let need = Need {
            account: take.account.clone(),
            gcra,
            life: life.unwrap_or_default(),
            least: gcra.ticks(take.cost)?,
        };
        Some((need, life.is_some()))
    }

    /// The rate that the server keeps, and how long leases of it live.
    fn as_kept(&self, rate: Rate) -> (Rate, Option<Duration>) {
        let lower = self.leases.as_ref().and_then(|_| Leases::lower(rate));
        lower.map_or((rate, None), |(rate, life)| (rate, Some(life)))
    }

    fn ask(&self, need: &Need, wish: u64) -> Ask {
        Ask {
            tenant: Arc::clone(&need.account.tenant),
            key: self.keys.rate(&need.account),
            gcra: need.gcra,
            least: need.least,
            wish,
        }
    }
}

impl Need {
    fn remaining(&self, debt: u64) -> Remaining {
        Remaining {
            remaining: self.gcra.remaining(debt),
            reset: self.gcra.time(debt),
        }
    }
}
