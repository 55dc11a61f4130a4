use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use tollgate_core::{
    Outcome,
    fact::{Cost, Usage},
};

use crate::{
    bounded::Tally,
    names::{ATTEMPTS, COST, DURATION, FIRST_BYTE, REQUESTS, TOKENS},
};

/// What a series of metrics is about; empty where it is not known.
#[derive(Clone, Debug, Default, Eq, Hash)]
#[expect(
    clippy::derived_hash_with_manual_eq,
    reason = "what is equal is equal by value in both"
)]
pub(crate) struct Labels {
    pub(crate) operation: &'static str,
    pub(crate) model: Arc<str>,
    pub(crate) target: Arc<str>,
}

// Not derived: most labels are empty, or the same allocation, and a call that compares nothing costs as much as the rest.
impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Arc<str>, other: &Arc<str>| Arc::ptr_eq(one, other) || one == other;
        same(&self.model, &other.model)
            && same(&self.target, &other.target)
            && (self.operation.is_empty() && other.operation.is_empty()
                || self.operation == other.operation)
    }
}

/// The handles of the metrics with the same [`Labels`]. Each is registered when it is first needed, and kept: that is
/// what costs, and not the counting.
pub(crate) struct Series {
    labels: Labels,
    requests: Tally<Ended>,
    durations: [OnceLock<Histogram>; 3],
    first_byte: OnceLock<Histogram>,
    tokens: [OnceLock<Counter>; 6],
    cost: OnceLock<Counter>,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: Outcome,
    pub(crate) code: Cow<'static, str>,
}

impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        let codes = self.code.is_empty() && other.code.is_empty() || self.code == other.code;
        codes && self.status == other.status && self.outcome == other.outcome
    }
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
            ("cache_write_1h", usage.cache_write_1h),
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

/// Stands for what is over a bound.
pub(crate) const OTHER: &str = "other";
