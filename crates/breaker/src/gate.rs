use std::{
    fmt,
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use http::{StatusCode, request, response};
use http_body::Frame;
use tokio::time::Instant;
use tollgate_core::{Admission, Gate, Never, Observer, Outcome, Rejection};

use crate::{
    Breaker, BreakerPolicy, Class, Classifier, Permission, Refusal, State,
    breakers::{Breakers, Cell},
};

/// The gate of a [`BreakerLayer`](crate::BreakerLayer): the breakers, and how to judge.
pub struct BreakerGate<F, K, C> {
    pub(crate) key: Arc<F>,
    pub(crate) breakers: Arc<Breakers<K>>,
    pub(crate) policy: BreakerPolicy,
    pub(crate) max_keys: usize,
    pub(crate) watch: Arc<Watch<K, C>>,
}

impl<F, K, C> Gate for BreakerGate<F, K, C>
where
    F: Fn(&request::Parts) -> K,
    K: Clone + Eq + Hash,
    C: Classifier,
{
    /// None where there was no room for a breaker.
    type Observer = Option<Guard<K, C>>;
    type Later = Never<Self::Observer>; // decides at once

    fn admit(&self, parts: request::Parts) -> Admission<Self::Observer, Self::Later> {
        let key = (self.key)(&parts);
        let now = Instant::now();
        let Some(cell) = self.breakers.of(key, self.policy, self.max_keys, now) else {
            return Admission::Now(Ok((parts, None)));
        };
        let answer = self.watch.change(&cell, |breaker| breaker.acquire(now));
        Admission::Now(match answer {
            Ok(permission) => {
                let guard = Guard {
                    permission: Some(permission),
                    cell,
                    watch: Arc::clone(&self.watch),
                };
                Ok((parts, Some(guard)))
            }
            Err(refusal) => Err(refusal.into()),
        })
    }
}

impl<F, K, C> Clone for BreakerGate<F, K, C> {
    fn clone(&self) -> Self {
        Self {
            key: Arc::clone(&self.key),
            breakers: Arc::clone(&self.breakers),
            policy: self.policy,
            max_keys: self.max_keys,
            watch: Arc::clone(&self.watch),
        }
    }
}

impl<F, K, C> fmt::Debug for BreakerGate<F, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerGate")
            .field("policy", &self.policy)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

/// How answers are judged, and who is told when a state changes.
pub(crate) struct Watch<K, C> {
    pub(crate) classifier: Arc<C>,
    pub(crate) on_transition: Option<Arc<OnTransition<K>>>,
}

pub(crate) type OnTransition<K> = dyn Fn(&K, State, State) + Send + Sync;

impl<K, C> Watch<K, C> {
    /// Does something to a breaker, and tells of a change of its state once the lock is free.
    fn change<T>(&self, cell: &Cell<K>, change: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = cell.lock();
        let from = breaker.state();
        let result = change(&mut breaker);
        let to = breaker.state();
        drop(breaker);
        if let (true, Some(tell)) = (from != to, &self.on_transition) {
            let tell = AssertUnwindSafe(|| tell(&cell.key, from, to));
            if catch_unwind(tell).is_err() {
                tracing::error!("a callback on a breaker's transition panicked");
            }
        }
        result
    }
}

/// Hears how one call went; a call that tells nothing gives its permission back.
pub struct Guard<K, C> {
    permission: Option<Permission>,
    cell: Arc<Cell<K>>,
    watch: Arc<Watch<K, C>>,
}

impl<K, C> Guard<K, C> {
    fn record(&mut self, class: Class) {
        if let Some(permission) = self.permission.take() {
            let (now, chance) = (Instant::now(), fastrand::f64());
            self.watch.change(&self.cell, |breaker| {
                breaker.record(permission, class, now, chance);
            });
        }
    }
}

impl<K, C: Classifier> Observer for Guard<K, C> {
    fn answered(&mut self, head: &mut response::Parts) {
        match self.watch.classifier.head(head) {
            Class::Success => {} // not before the body is complete
            class => self.record(class),
        }
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        // Trailers are the last word; a client may leave without asking for more.
        if let Some(trailers) = frame.trailers_ref()
            && let Some(class) = self.watch.classifier.trailers(trailers)
        {
            self.record(class);
        }
    }

    fn ended(mut self, outcome: Outcome) {
        match outcome {
            Outcome::Completed => self.record(Class::Success),
            Outcome::Failed => self.record(Class::Failure),
            Outcome::Cancelled => {}
        }
    }
}

impl<K, C> Drop for Guard<K, C> {
    fn drop(&mut self) {
        if let Some(permission) = self.permission.take() {
            self.cell.lock().release(permission);
        }
    }
}

impl<K, C> fmt::Debug for Guard<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("permission", &self.permission)
            .finish_non_exhaustive()
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let (code, message, wait) = match refusal {
            Refusal::Open(wait) => ("circuit_open", "the target is failing", wait),
            Refusal::Saturated(wait) => ("target_saturated", "the target has too much to do", wait),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .about_target()
            .with_retry_after(wait)
    }
}
