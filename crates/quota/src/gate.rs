use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use http::{StatusCode, request, response};
use tollgate_core::{Admission, Gate, Limit, Limits, Never, Observer, Outcome, Rejection};

use crate::{
    Identify, Quota,
    concurrency::{Slot, Slots},
    rate::{Rates, Spent},
};

/// The gate of a [`QuotaLayer`](crate::QuotaLayer): the accounts, and what they allow.
pub struct QuotaGate<F: Identify> {
    pub(crate) identify: Arc<F>,
    pub(crate) rate: Option<Rate<F::Key>>,
    pub(crate) concurrency: Option<Concurrency<F::Key>>,
    pub(crate) max_keys: usize,
}

pub(crate) struct Rate<K: Clone + Eq + Hash> {
    pub(crate) name: Arc<str>,
    pub(crate) quota: Quota,
    pub(crate) rates: Arc<Rates<K>>,
}

pub(crate) struct Concurrency<K: Clone + Eq + Hash> {
    pub(crate) name: Arc<str>,
    pub(crate) slots: Arc<Slots<K>>,
}

impl<F: Identify> Gate for QuotaGate<F> {
    type Observer = Permit<F::Key>;
    type Later = Never<Self::Observer>; // decides at once

    fn admit(&self, parts: request::Parts) -> Admission<Self::Observer, Self::Later> {
        Admission::Now(self.take(&parts).map(|permit| (parts, permit)))
    }
}

impl<F: Identify> QuotaGate<F> {
    /// Takes of all limits or of none: a slot can be given back, a request of a rate cannot, so it comes last.
    fn take(&self, parts: &request::Parts) -> Result<Permit<F::Key>, Rejection> {
        let key = self.identify.identify(parts)?;
        let slot = match &self.concurrency {
            Some(concurrency) => Some(concurrency.take(key.clone())?),
            None => None,
        };
        let rate = match &self.rate {
            Some(rate) => Some(rate.take(&key, self.max_keys)?),
            None => None,
        };
        let (slot, slots_left) = slot.unzip();
        Ok(Permit {
            limits: rate.into_iter().chain(slots_left).collect(),
            slot,
        })
    }
}

impl<K: Clone + Eq + Hash> Rate<K> {
    fn take(&self, key: &K, max_keys: usize) -> Result<Limit, Rejection> {
        let wait = match self.rates.take(key, max_keys) {
            Ok(left) => return Ok(self.limit(left.requests, left.full_in)),
            // Retry-After is never zero, and the fields must mean the same moment.
            Err(Spent::Until(wait)) => wait.max(Duration::from_nanos(1)),
            Err(Spent::Full) => return Err(overloaded()),
        };
        let message = format!(
            "the limit \"{}\" of {} requests a {} is spent",
            self.name,
            self.quota.limit(),
            word(self.quota.window()),
        );
        Err(refusal(
            "rate_limit_exceeded",
            message,
            self.limit(0, wait),
            wait,
        ))
    }

    fn limit(&self, remaining: u32, reset: Duration) -> Limit {
        Limit {
            name: Arc::clone(&self.name),
            unit: "requests",
            quota: self.quota.limit().into(),
            window: Some(self.quota.window()),
            remaining: remaining.into(),
            reset: Some(reset),
        }
    }
}

impl<K: Clone + Eq + Hash> Concurrency<K> {
    fn take(&self, key: K) -> Result<(Slot<K>, Limit), Rejection> {
        if let Some((slot, left)) = self.slots.take(key) {
            return Ok((slot, self.limit(left, None)));
        }
        let message = format!(
            "the limit \"{}\" of {} requests at once is reached",
            self.name,
            self.slots.limit(),
        );
        let limit = self.limit(0, Some(SLOT_MAY_BE_FREE));
        Err(refusal(
            "concurrency_exceeded",
            message,
            limit,
            SLOT_MAY_BE_FREE,
        ))
    }

    fn limit(&self, remaining: u32, reset: Option<Duration>) -> Limit {
        Limit {
            name: Arc::clone(&self.name),
            unit: "concurrency",
            quota: self.slots.limit().into(),
            window: None,
            remaining: remaining.into(),
            reset,
        }
    }
}

impl<F: Identify> Clone for QuotaGate<F> {
    fn clone(&self) -> Self {
        Self {
            identify: Arc::clone(&self.identify),
            rate: self.rate.as_ref().map(|rate| Rate {
                name: Arc::clone(&rate.name),
                quota: rate.quota,
                rates: Arc::clone(&rate.rates),
            }),
            concurrency: self.concurrency.as_ref().map(|concurrency| Concurrency {
                name: Arc::clone(&concurrency.name),
                slots: Arc::clone(&concurrency.slots),
            }),
            max_keys: self.max_keys,
        }
    }
}

impl<F: Identify> fmt::Debug for QuotaGate<F> {
    // Not the keys: they may be addresses or names of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.concurrency.as_ref().map(|it| it.slots.limit());
        f.debug_struct("QuotaGate")
            .field("quota", &self.rate.as_ref().map(|rate| rate.quota))
            .field("concurrency", &slots)
            .finish_non_exhaustive()
    }
}

/// What an admitted request holds until its answer has ended, and shows in the answer's head.
pub struct Permit<K: Clone + Eq + Hash> {
    limits: Limits,
    slot: Option<Slot<K>>,
}

impl<K: Clone + Eq + Hash> Observer for Permit<K> {
    fn answered(&mut self, head: &mut response::Parts) {
        self.limits.write(&mut head.headers);
        match head.extensions.get_mut::<Limits>() {
            // From a layer further in.
            Some(known) => self.limits.iter().cloned().for_each(|it| known.push(it)),
            None => {
                head.extensions.insert(self.limits.clone());
            }
        }
    }

    fn ended(self, _: Outcome) {
        drop(self.slot);
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("limits", &self.limits)
            .field("slot", &self.slot.is_some())
            .finish()
    }
}

fn refusal(code: &'static str, message: String, limit: Limit, wait: Duration) -> Rejection {
    Rejection::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        .with_retry_after(wait)
        .with_detail("type", QUOTA_EXCEEDED)
        .with_detail("violated-policies", vec![limit.name.to_string()])
        .with_limits(Limits::new().with(limit))
}

/// To forget a caller who has spent something would forgive it, so a new one has to wait.
fn overloaded() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "quota_overloaded",
        "too many callers at once to count one more",
    )
    .with_retry_after(Duration::from_secs(1))
}

fn word(window: Duration) -> &'static str {
    match window.as_secs() {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        _ => "day",
    }
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const SLOT_MAY_BE_FREE: Duration = Duration::from_secs(1);
