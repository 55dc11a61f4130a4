use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Key;
use crate::jwt::Algorithm;

/// The keys that were fetched at one time, and for how long they are good.
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
    time: Time,
}

enum Time {
    /// Nothing was fetched yet.
    Never,
    /// Nothing will be.
    Forever,
    Until {
        ripe: Instant,
        stale: Instant,
        gone: Instant,
    },
}

impl KeySet {
    pub(super) fn none() -> Self {
        Self {
            keys: Vec::new(),
            time: Time::Never,
        }
    }

    pub(super) fn forever(keys: Vec<Key>) -> Self {
        Self {
            keys: keys.into_iter().map(Arc::new).collect(),
            time: Time::Forever,
        }
    }

    /// The set that takes the place of this one. A key that stays is the same one, so what it has signed stays verified.
    pub(super) fn followed_by(
        &self,
        keys: Vec<Key>,
        now: Instant,
        max_age: Option<Duration>,
        stale_for: Duration,
    ) -> Self {
        let known = |key: &Key| self.keys.iter().find(|known| known.is_same(key)).cloned();
        let keys = keys
            .into_iter()
            .map(|key| known(&key).unwrap_or_else(|| Arc::new(key)));
        let fresh = max_age.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
        let stale = now + fresh;
        Self {
            keys: keys.collect(),
            time: Time::Until {
                ripe: now + fresh * 3 / 4,
                stale,
                // A time too far to be told is as good as a year.
                gone: stale.checked_add(stale_for).unwrap_or(stale + YEAR),
            },
        }
    }

    pub(super) fn age(&self, now: Instant) -> Age {
        match self.time {
            Time::Never => Age::Gone,
            Time::Forever => Age::Fresh,
            Time::Until { ripe, stale, gone } => match now {
                now if now < ripe => Age::Fresh,
                now if now < stale => Age::Ripe,
                now if now < gone => Age::Stale,
                _ => Age::Gone,
            },
        }
    }

    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        match kid {
            Some(_) => fitting.find(|key| key.kid.as_deref() == kid).cloned(),
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) => Some(Arc::clone(only)),
                _ => None,
            },
        }
    }

    pub(super) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

/// How old keys are.
pub(super) enum Age {
    /// Good.
    Fresh,
    /// Good, and to be fetched again without haste.
    Ripe,
    /// Good only when they cannot be fetched again.
    Stale,
    /// No good.
    Gone,
}

/// How long keys are good of which nothing is said.
const USUAL: Duration = Duration::from_secs(10 * 60);

/// Whatever is said, fetching more often would be a burden,
const SHORTEST: Duration = Duration::from_secs(60);

/// and less often would leave a key trusted for too long after it was given up.
const LONGEST: Duration = Duration::from_secs(60 * 60);

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
