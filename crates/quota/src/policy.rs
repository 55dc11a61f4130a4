use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_core::{
    Limit, Limits,
    fact::{Cost, Period},
};

use crate::{Budget, Rate};

/// A limit as a caller is shown it. What is the same in every answer is written once.
pub(crate) struct Policy {
    limit: Limit,
    /// Nothing for what is held and given back.
    pub(crate) rate: Option<Rate>,
    policy: HeaderValue,
    /// The `RateLimit` field up to the number of what remains.
    state: Box<[u8]>,
}

impl Policy {
    pub(crate) fn of_rate(name: Arc<str>, unit: &'static str, rate: Rate) -> Arc<Self> {
        Self::new(name, unit, rate.limit, Some(rate.window), Some(rate))
    }

    pub(crate) fn of_concurrency(name: Arc<str>, limit: u32) -> Arc<Self> {
        Self::new(name, "concurrency", limit.into(), None, None)
    }

    /// A budget is shown in millionths of a dollar; a month has no length of its own.
    pub(crate) fn of_budget(name: Arc<str>, budget: &Budget) -> Arc<Self> {
        let hours = match budget.every() {
            Period::Hour => Some(1),
            Period::Day => Some(24),
            Period::Week => Some(7 * 24),
            Period::Month | Period::Total => None,
        };
        let window = hours.map(|hours| Duration::from_secs(hours * 60 * 60));
        Self::new(name, "micro-usd", micros(budget.limit()), window, None)
    }

    fn new(
        name: Arc<str>,
        unit: &'static str,
        quota: u64,
        window: Option<Duration>,
        rate: Option<Rate>,
    ) -> Arc<Self> {
        let limit = Limit {
            name,
            unit,
            quota,
            window,
            remaining: 0,
            reset: None,
        };
        let mut headers = HeaderMap::new();
        Limits::new().with(limit.clone()).write(&mut headers);
        let [policy, state] = [POLICY, STATE].map(|field| headers.remove(field).expect(WRITTEN));
        let state = state.as_bytes().strip_suffix(b"0").expect(WRITTEN);
        Arc::new(Self {
            limit,
            rate,
            policy,
            state: state.into(),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.limit.name
    }

    pub(crate) fn unit(&self) -> &'static str {
        self.limit.unit
    }

    /// How much is allowed in a window, or at once.
    pub(crate) fn quota(&self) -> u64 {
        self.limit.quota
    }

    pub(crate) fn limit(&self, left: Left) -> Limit {
        Limit {
            name: Arc::clone(&self.limit.name),
            remaining: left.remaining,
            reset: left.reset,
            ..self.limit
        }
    }

    /// The same fields as [`Limits::write`] adds, for a fifth of the time.
    pub(crate) fn write(&self, left: Left, headers: &mut HeaderMap) {
        let seconds = left
            .reset
            .map(|reset| reset.as_secs() + u64::from(reset.subsec_nanos() > 0));
        let remaining = left.remaining;
        let reset = seconds.map_or(0, |seconds| RESET.len() + digits(seconds));
        // Made to measure, since a value takes over a vector that has no room left without a copy.
        let mut state = Vec::with_capacity(self.state.len() + digits(remaining) + reset);
        state.extend_from_slice(&self.state);
        write_number(&mut state, remaining);
        if let Some(seconds) = seconds {
            state.extend_from_slice(RESET);
            write_number(&mut state, seconds);
        }
        headers.append(POLICY, self.policy.clone());
        if let Ok(state) = HeaderValue::from_maybe_shared(Bytes::from(state)) {
            headers.append(STATE, state);
        }
    }
}

/// In whole millionths of a dollar; a debt is nothing.
pub(crate) fn micros(cost: Cost) -> u64 {
    u64::try_from(cost.nanos() / 1_000).unwrap_or(0)
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn write_number(text: &mut Vec<u8>, mut number: u64) {
    let start = text.len();
    text.resize(start + digits(number), b'0');
    for digit in text[start..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Left {
    pub(crate) remaining: u64,
    /// When all of it, or for a refusal enough of it, is there again.
    pub(crate) reset: Option<Duration>,
}

const RESET: &[u8] = b";t=";
const WRITTEN: &str = "`Limits` writes both fields, and the state ends with what remains";
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_that_core_writes() {
        for name in ["requests", r#"a "quoted" \ näme"#, ""] {
            for (unit, window) in [("requests", Some(60)), ("concurrency", None)] {
                let rate = window.map(|seconds| Rate {
                    limit: u64::MAX,
                    window: Duration::from_secs(seconds),
                    burst: 1,
                });
                let window = rate.map(|rate| rate.window);
                let policy = Policy::new(name.into(), unit, u64::MAX, window, rate);
                for reset in [
                    None,
                    Some(Duration::ZERO),
                    Some(Duration::from_millis(1_001)),
                ] {
                    let left = Left {
                        remaining: u64::MAX - 5,
                        reset,
                    };
                    let (mut ours, mut cores) = (HeaderMap::new(), HeaderMap::new());
                    policy.write(left, &mut ours);
                    Limits::new().with(policy.limit(left)).write(&mut cores);
                    assert_eq!(ours, cores);
                }
            }
        }
    }
}
