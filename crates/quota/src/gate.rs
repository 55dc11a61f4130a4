use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use http::{StatusCode, request, response};
use tollgate_core::{Admission, Gate, Limits, Never, Observer, Outcome, Rejection};

use crate::{
    Identify, Quota,
    concurrency::{Slot, Slots},
    policy::{Left, Policy},
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
    pub(crate) policy: Arc<Policy>,
    pub(crate) quota: Quota,
    pub(crate) rates: Arc<Rates<K>>,
}

pub(crate) struct Concurrency<K: Clone + Eq + Hash> {
    pub(crate) policy: Arc<Policy>,
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
        let (slot, slots) = slot.unzip();
        Ok(Permit {
            shown: [rate, slots],
            slot,
        })
    }
}

impl<K: Clone + Eq + Hash> Rate<K> {
    fn take(&self, key: &K, max_keys: usize) -> Result<Shown, Rejection> {
        let wait = match self.rates.take(key, max_keys) {
            Ok(left) => return Ok((Arc::clone(&self.policy), left)),
            // Retry-After is never zero, and the fields must mean the same moment.
            Err(Spent::Until(wait)) => wait.max(Duration::from_nanos(1)),
            Err(Spent::Full) => return Err(overloaded()),
        };
        let message = format!(
            "the limit \"{}\" of {} requests a {} is spent",
            self.policy.name(),
            self.quota.limit(),
            word(self.quota.window()),
        );
        Err(refusal("rate_limit_exceeded", message, &self.policy, wait))
    }
}

impl<K: Clone + Eq + Hash> Concurrency<K> {
    fn take(&self, key: K) -> Result<(Slot<K>, Shown), Rejection> {
        if let Some((slot, remaining)) = self.slots.take(key) {
            let reset = None; // nobody knows when the others end
            return Ok((slot, (Arc::clone(&self.policy), Left { remaining, reset })));
        }
        let message = format!(
            "the limit \"{}\" of {} requests at once is reached",
            self.policy.name(),
            self.slots.limit(),
        );
        let wait = SLOT_MAY_BE_FREE;
        Err(refusal("concurrency_exceeded", message, &self.policy, wait))
    }
}

impl<F: Identify> Clone for QuotaGate<F> {
    fn clone(&self) -> Self {
        Self {
            identify: Arc::clone(&self.identify),
            rate: self.rate.as_ref().map(|rate| Rate {
                policy: Arc::clone(&rate.policy),
                quota: rate.quota,
                rates: Arc::clone(&rate.rates),
            }),
            concurrency: self.concurrency.as_ref().map(|concurrency| Concurrency {
                policy: Arc::clone(&concurrency.policy),
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
    shown: [Option<Shown>; 2],
    slot: Option<Slot<K>>,
}

type Shown = (Arc<Policy>, Left);

impl<K: Clone + Eq + Hash> Observer for Permit<K> {
    fn answered(&mut self, head: &mut response::Parts) {
        // A layer further in may have left its own there.
        let limits = head.extensions.get_or_insert_default::<Limits>();
        for (policy, left) in self.shown.iter().flatten() {
            limits.push(policy.limit(*left));
            policy.write(*left, &mut head.headers);
        }
    }

    fn ended(self, _: Outcome) {
        drop(self.slot);
    }
}

impl<K: Clone + Eq + Hash> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("slot", &self.slot.is_some())
            .finish_non_exhaustive()
    }
}

fn refusal(code: &'static str, message: String, policy: &Policy, wait: Duration) -> Rejection {
    let left = Left {
        remaining: 0,
        reset: Some(wait),
    };
    Rejection::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        .with_retry_after(wait)
        .with_detail("type", QUOTA_EXCEEDED)
        .with_detail("violated-policies", vec![policy.name().to_string()])
        .with_limits(Limits::new().with(policy.limit(left)))
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
