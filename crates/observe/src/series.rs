use std::{
    borrow::Cow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use tollgate_core::{
    Outcome,
    fact::{Cost, Usage},
};

use crate::names::{ATTEMPTS, COST, DURATION, FIRST_BYTE, REQUESTS, TOKENS};

/// What a series of metrics is about; empty where it is not known.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Labels {
    pub(crate) operation: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) target: Arc<str>,
}

/// The handles of the metrics with the same [`Labels`]. Each is registered when it is first needed, and kept: that is
/// what costs, and not the counting.
pub(crate) struct Series {
    labels: Labels,
    requests: Tally<Ended>,
    durations: [OnceLock<Histogram>; 3],
    first_byte: OnceLock<Histogram>,
    tokens: [OnceLock<Counter>; 5],
    cost: OnceLock<Counter>,
}

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: Outcome,
    pub(crate) code: Cow<'static, str>,
}

impl Series {
    pub(crate) fn new(labels: Labels) -> Self {
        Self {
            labels,
            requests: Tally::default(),
            durations: Default::default(),
            first_byte: OnceLock::new(),
            tokens: Default::default(),
            cost: OnceLock::new(),
        }
    }

    pub(crate) fn ended(&self, ended: &Ended, took: Duration) {
        let Labels {
            operation,
            model,
            target,
        } = &self.labels;
        let outcome = ended.outcome.as_str();
        let register = |ended: &Ended| {
            counter!(
                REQUESTS,
                "operation" => *operation,
                "model" => Arc::clone(model),
                "target" => Arc::clone(target),
                "status" => ended.status.map_or_else(String::new, |status| status.as_str().to_owned()),
                "outcome" => ended.outcome.as_str(),
                "code" => ended.code.clone(),
            )
        };
        let other = || Ended {
            code: Cow::Borrowed(OTHER),
            ..ended.clone()
        };
        self.requests.count(ended, other, register);
        let duration = self.durations[ended.outcome as usize].get_or_init(|| {
            histogram!(
                DURATION,
                "operation" => *operation,
                "model" => Arc::clone(model),
                "target" => Arc::clone(target),
                "outcome" => outcome,
            )
        });
        duration.record(took);
    }

    pub(crate) fn first_byte(&self, after: Duration) {
        let Labels {
            operation,
            model,
            target,
        } = &self.labels;
        let histogram = self.first_byte.get_or_init(|| {
            histogram!(
                FIRST_BYTE,
                "operation" => *operation,
                "model" => Arc::clone(model),
                "target" => Arc::clone(target),
            )
        });
        histogram.record(after);
    }

    pub(crate) fn used(&self, usage: &Usage) {
        let Labels { model, target, .. } = &self.labels;
        let amounts = [
            ("input", usage.input),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("output", usage.output),
            ("reasoning", usage.reasoning),
        ];
        for ((kind, amount), counter) in amounts.into_iter().zip(&self.tokens) {
            if amount > 0 {
                let register = || {
                    counter!(
                        TOKENS,
                        "type" => kind,
                        "model" => Arc::clone(model),
                        "target" => Arc::clone(target),
                    )
                };
                counter.get_or_init(register).increment(amount);
            }
        }
    }

    pub(crate) fn spent(&self, cost: Cost) {
        let Labels { model, target, .. } = &self.labels;
        let register =
            || counter!(COST, "model" => Arc::clone(model), "target" => Arc::clone(target));
        // A counter cannot go down: what a provider might pay back is not counted.
        let nanos = u64::try_from(cost.nanos()).unwrap_or(0);
        self.cost.get_or_init(register).increment(nanos);
    }
}

/// The results of the attempts at one target.
pub(crate) struct Attempts {
    target: Arc<str>,
    results: Tally<Cow<'static, str>>,
}

impl Attempts {
    pub(crate) fn new(target: Arc<str>) -> Self {
        Self {
            target,
            results: Tally::default(),
        }
    }

    pub(crate) fn count(&self, result: Cow<'static, str>) {
        let register = |result: &Cow<'static, str>| counter!(ATTEMPTS, "target" => Arc::clone(&self.target), "result" => result.clone());
        self.results
            .count(&result, || Cow::Borrowed(OTHER), register);
    }
}

/// A map that is read often, and holds so many entries: what is over shares one.
pub(crate) struct Bounded<K, V> {
    most: usize,
    entries: RwLock<HashMap<K, Arc<V>>>,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: RwLock::default(),
        }
    }

    pub(crate) fn get(
        &self,
        key: K,
        other: impl FnOnce(K) -> K,
        make: impl FnOnce(K) -> V,
    ) -> Arc<V> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = entries.get(&key) {
            return Arc::clone(value);
        }
        drop(entries);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let full = entries.len() >= self.most && !entries.contains_key(&key);
        let key = if full { other(key) } else { key };
        let entry = entries.entry(key.clone());
        Arc::clone(entry.or_insert_with(|| Arc::new(make(key))))
    }
}

/// A few counters by what they count, looked through in order.
struct Tally<L>(RwLock<Vec<(L, Counter)>>);

impl<L: Clone + PartialEq> Tally<L> {
    fn count(&self, label: &L, other: impl FnOnce() -> L, register: impl FnOnce(&L) -> Counter) {
        let find = |counters: &Vec<(L, Counter)>, label: &L| {
            let known = counters.iter().find(|(known, _)| known == label)?;
            known.1.increment(1);
            Some(())
        };
        if find(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
            label,
        )
        .is_some()
        {
            return;
        }
        let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let label = if counters.len() < MOST_TALLIED {
            label.clone()
        } else {
            other()
        };
        if find(&counters, &label).is_none() {
            let counter = register(&label);
            counter.increment(1);
            counters.push((label, counter));
        }
    }
}

impl<L> Default for Tally<L> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

/// Stands for what is over a bound.
pub(crate) const OTHER: &str = "other";
/// Codes are chosen by layers and not by callers; this holds if one is not.
const MOST_TALLIED: usize = 64;
