use std::time::Duration;

use serde_json::Value;

/// From when until when tokens may be good.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) leeway: Duration,
    pub(super) max: Duration,
    pub(super) needs_nbf: bool,
}

impl Lifetime {
    /// When a token is good by its claims, if they can be believed at all.
    pub(super) fn span(self, claims: &Value, now: i64) -> Option<Span> {
        let ends = date(claims.get("exp")?)?;
        let begins = optional_date(claims.get("nbf"))?;
        let issued = optional_date(claims.get("iat"))?;
        if self.needs_nbf && begins.is_none() {
            return None;
        }
        let since = issued.or(begins).unwrap_or(now);
        let begins = begins.unwrap_or(since).max(since);
        // It ends after it begins, and not too long after it was issued.
        let lasts = begins < ends && ends.checked_sub(since)? <= seconds(self.max);
        let leeway = seconds(self.leeway);
        lasts.then_some(Span {
            begins: begins.saturating_sub(leeway),
            ends: ends.saturating_add(leeway),
        })
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(30),
            max: Duration::from_secs(24 * 60 * 60),
            needs_nbf: true,
        }
    }
}

/// When a token is good, in seconds since 1970, the end not included; the leeway is in it.
#[derive(Clone, Copy)]
pub(super) struct Span {
    begins: i64,
    ends: i64,
}

impl Span {
    pub(super) fn covers(self, now: i64) -> bool {
        (self.begins..self.ends).contains(&now)
    }
}

/// A whole number of seconds since 1970: no fraction, which RFC 7519 would allow, and no text.
fn date(value: &Value) -> Option<i64> {
    value.as_u64()?.try_into().ok()
}

fn optional_date(value: Option<&Value>) -> Option<Option<i64>> {
    value.map_or(Some(None), |value| date(value).map(Some))
}

fn seconds(duration: Duration) -> i64 {
    duration.as_secs().try_into().unwrap_or(i64::MAX)
}
