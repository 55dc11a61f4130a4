use std::{cmp::Reverse, fmt::Write, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// The limits that a request was measured against, and what is left of them.
///
/// They ride in the response's extensions, also with a [`Rejection`](crate::Rejection); several layers may add theirs.
/// [`write`](Self::write) puts them into the `RateLimit` fields of draft-ietf-httpapi-ratelimit-headers-11.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits(Arc<Vec<Limit>>);

impl Limits {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, limit: Limit) -> Self {
        self.push(limit);
        self
    }

    /// Adds one.
    pub fn push(&mut self, limit: Limit) {
        Arc::make_mut(&mut self.0).push(limit);
    }

    /// The limits, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.0.iter()
    }

    /// Of the limits by window that count in this unit, the one of which the least is left, and of those the one that
    /// takes longest to reset.
    #[must_use]
    pub fn tightest(&self, unit: &str) -> Option<&Limit> {
        let limits = self.iter();
        let limits = limits.filter(|limit| limit.unit == unit && limit.window.is_some());
        limits.min_by_key(|limit| (limit.remaining, Reverse(limit.reset)))
    }

    /// Adds `RateLimit-Policy` and `RateLimit` to those that are there.
    pub fn write(&self, headers: &mut HeaderMap) {
        for limit in self.iter() {
            let name = quoted(&limit.name);
            let mut policy = format!("{name};q={}", limit.quota);
            if let Some(window) = limit.window {
                write!(policy, ";w={}", window.as_secs().max(1)).expect(INFALLIBLE);
            }
            if limit.unit != "requests" {
                write!(policy, ";qu={}", quoted(limit.unit)).expect(INFALLIBLE);
            }
            let mut state = format!("{name};r={}", limit.remaining);
            if let Some(reset) = limit.reset {
                write!(
                    state,
                    ";t={}",
                    reset
                        .as_secs()
                        .saturating_add(u64::from(reset.subsec_nanos() > 0))
                )
                .expect(INFALLIBLE);
            }
            for (field, value) in [(POLICY, policy), (STATE, state)] {
                // A quoted string is printable, so this holds; and if not, a field is left out.
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.append(field, value);
                }
            }
        }
    }
}

impl FromIterator<Limit> for Limits {
    fn from_iter<I: IntoIterator<Item = Limit>>(limits: I) -> Self {
        Self(Arc::new(limits.into_iter().collect()))
    }
}

/// One limit, and what is left of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Limit {
    /// The policy's name.
    pub name: Arc<str>,
    /// What is counted: `requests`, `tokens`, `input-tokens`, `output-tokens`, `concurrency`.
    pub unit: &'static str,
    /// How much is allowed in a window, or at once.
    pub quota: u64,
    /// The window; none for what is held and given back.
    pub window: Option<Duration>,
    /// How much is left now.
    pub remaining: u64,
    /// When all of it, or for a refusal enough of it, is there again.
    pub reset: Option<Duration>,
}

/// A string of structured fields (RFC 9651): printable ASCII, `"` and `\` escaped; what cannot stand in it is `_`.
fn quoted(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for char in name.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.push('_'),
        }
    }
    quoted.push('"');
    quoted
}

const INFALLIBLE: &str = "writing to a string cannot fail";
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
