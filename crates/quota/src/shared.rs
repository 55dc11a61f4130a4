use std::{
    collections::HashSet,
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::runtime::Handle;
use tollgate_core::{Rejection, fact::Mode};

use crate::{
    Away, Correction, RateStore, Take, Taken as Answer,
    bank::{Answering, BankError},
    permit::Held,
    refusal,
    want::{Kind, Shared, Taken, Want, would_refuse},
};

/// Rates in a store, and whether it answers.
pub(crate) struct SharedRates {
    store: Arc<dyn RateStore>,
    /// Until then it is not asked, in nanoseconds of the clock: one that is away costs time. Whoever moves it on tries it.
    away_until: AtomicU64,
    /// The limits that are not counted as they should be.
    degraded: Mutex<HashSet<Arc<str>>>,
}

impl SharedRates {
    pub(crate) fn new(store: Arc<dyn RateStore>) -> Self {
        Self {
            store,
            away_until: AtomicU64::new(0),
            degraded: Mutex::default(),
        }
    }

    /// Takes from all shared rates or from none; while the store is away, as each of them declares.
    pub(crate) async fn take(&self, held: &mut Held, max_keys: usize) -> Result<(), Rejection> {
        loop {
            let takes = held.wants.iter().filter_map(Want::take).collect::<Vec<_>>();
            if takes.is_empty() {
                return Ok(());
            }
            if !self.may_ask(held.accounts.rates.now()) {
                return self.without(held, max_keys);
            }
            let asking = Asking::new(Arc::clone(&self.store), takes);
            match asking.answer().await {
                Ok(Answer::All(left)) => {
                    self.is_back();
                    let wants = held.wants.iter_mut().filter(|want| want.is_asked());
                    for (want, left) in wants.zip(left) {
                        want.took(Taken::InStore, left.remaining, Some(left.reset));
                    }
                    return Ok(());
                }
                Ok(Answer::Short {
                    index,
                    remaining,
                    wait,
                }) => {
                    self.is_back();
                    let trail = held.trail.as_ref();
                    let mut wants = held.wants.iter_mut().filter(|want| want.is_asked());
                    match wants.nth(index) {
                        // The others are asked for again, without it.
                        Some(want) if want.mode == Mode::Observe => {
                            would_refuse(want.policy.name(), trail);
                            want.shared = None;
                        }
                        Some(want) => return Err(refusal::rate(want, remaining, wait)),
                        None => return Err(refusal::rates_unavailable()),
                    }
                }
                Err(error) => {
                    self.is_away(held.accounts.rates.now(), &error);
                    return self.without(held, max_keys);
                }
            }
        }
    }

    pub(crate) fn correct(&self, corrections: Vec<Correction>) {
        self.store.correct(corrections);
    }

    /// Decides as it was declared for the time without the store. Nothing of this is told to the store later: it has not
    /// counted these requests.
    fn without(&self, held: &mut Held, max_keys: usize) -> Result<(), Rejection> {
        let asked = held.wants.iter().filter(|want| want.is_asked());
        for want in asked {
            let name = want.policy.name();
            metrics::counter!("tollgate_quota_store_failures_total", "limit" => Arc::clone(name))
                .increment(1);
            let mut degraded = self.degraded.lock().unwrap_or_else(PoisonError::into_inner);
            if degraded.len() < MOST_NAMES && degraded.insert(Arc::clone(name)) {
                metrics::gauge!("tollgate_quota_degraded", "limit" => Arc::clone(name)).set(1.0);
            }
        }
        let aways = held.wants.iter().filter_map(|want| {
            let shared = want.shared.as_deref()?;
            (want.mode != Mode::Observe).then_some(shared.away)
        });
        for away in aways {
            match away {
                Away::Deny => return Err(refusal::rates_unavailable()),
                // The header tells of the looser one.
                Away::Allow => held.away = Some(away.as_str()),
                Away::LocalShare(_) => {
                    held.away.get_or_insert(away.as_str());
                }
            }
        }
        held.take_rates(max_keys, |want| {
            matches!(
                want.shared.as_deref(),
                Some(Shared {
                    away: Away::LocalShare(_),
                    ..
                })
            )
        })
    }

    fn may_ask(&self, now: u64) -> bool {
        let until = self.away_until.load(Ordering::Relaxed);
        let try_again = || {
            let next = now.saturating_add(PAUSE);
            self.away_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        until == 0 || (until <= now && try_again())
    }

    fn is_away(&self, now: u64, error: &BankError) {
        let until = now.saturating_add(PAUSE).max(1);
        if self.away_until.swap(until, Ordering::Relaxed) == 0 {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the store of rates is away"
            );
        }
    }

    fn is_back(&self) {
        if self.away_until.load(Ordering::Relaxed) == 0
            || self.away_until.swap(0, Ordering::Relaxed) == 0
        {
            return;
        }
        tracing::info!("the store of rates is back");
        let mut degraded = self.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        for name in mem::take(&mut *degraded) {
            metrics::gauge!("tollgate_quota_degraded", "limit" => name).set(0.0);
        }
    }
}

impl fmt::Debug for SharedRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedRates").field(&self.store).finish()
    }
}

impl Want {
    fn is_asked(&self) -> bool {
        self.shared.is_some() && !matches!(self.kind, Kind::Slot(_))
    }

    fn take(&self) -> Option<Take> {
        Some(Take {
            account: self.shared.as_ref()?.account.clone(),
            rate: self.policy.rate?,
            cost: self.cost,
        })
    }
}

/// A question to a store. If who asks leaves, what is taken all the same is given back.
struct Asking {
    store: Arc<dyn RateStore>,
    takes: Vec<Take>,
    answering: Option<Answering<Answer>>,
}

impl Asking {
    fn new(store: Arc<dyn RateStore>, takes: Vec<Take>) -> Self {
        Self {
            answering: Some(store.take(takes.clone())),
            store,
            takes,
        }
    }

    async fn answer(mut self) -> Result<Answer, BankError> {
        let answering = self.answering.as_mut().expect("it is taken below only");
        let answer = answering.await;
        self.answering = None;
        answer
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let (Some(answering), Ok(runtime)) = (self.answering.take(), Handle::try_current()) else {
            return;
        };
        let (store, takes) = (Arc::clone(&self.store), mem::take(&mut self.takes));
        runtime.spawn(async move {
            if let Ok(Answer::All(_)) = answering.await {
                store.correct(takes.into_iter().map(Correction::back).collect());
            }
        });
    }
}

impl Correction {
    fn back(take: Take) -> Self {
        Self {
            account: take.account,
            rate: take.rate,
            more: i64::try_from(take.cost).map_or(-i64::MAX, |cost| -cost),
        }
    }
}

/// In nanoseconds: how long a store that is away is left alone.
const PAUSE: u64 = 1_000_000_000;
const MOST_NAMES: usize = 4096;
