use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::AGE};
use tokio::time::Instant;
use tollgate_core::{Reply, fact::CacheStatus};

use crate::{STATUS, key::Key};

/// A complete answer of `200`, kept. Clones share it.
#[derive(Clone)]
pub(crate) struct Answer(Arc<Kept>);

struct Kept {
    headers: HeaderMap,
    body: Bytes,
    fresh: Freshness,
    stored: Instant,
}

/// How old an answer was when it came, and how long it may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Freshness {
    pub(crate) age: Duration,
    pub(crate) ttl: Duration,
}

impl Answer {
    pub(crate) fn new(headers: HeaderMap, body: Bytes, fresh: Freshness, stored: Instant) -> Self {
        Self(Arc::new(Kept {
            headers,
            body,
            fresh,
            stored,
        }))
    }

    /// Its age if it may be used, by its own time and by what the caller accepts.
    pub(crate) fn age(&self, now: Instant, max_age: Option<Duration>) -> Option<Duration> {
        let resident = now.saturating_duration_since(self.0.stored);
        let age = self.0.fresh.age.saturating_add(resident);
        let usable = resident < self.0.fresh.ttl && max_age.is_none_or(|most| age <= most);
        usable.then_some(age)
    }

    pub(crate) fn replay<B>(&self, age: Duration) -> Response<Reply<B>> {
        let mut response = Response::new(Reply::full(self.0.body.clone()));
        let headers = response.headers_mut();
        headers.clone_from(&self.0.headers);
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        headers.insert(STATUS, HeaderValue::from_static(CacheStatus::Hit.as_str()));
        response
    }

    /// What it takes to keep it, in bytes.
    pub(crate) fn weight(&self) -> u32 {
        let fields = self.0.headers.iter();
        let head: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len() + FIELD)
            .sum();
        let bytes = Key::LENGTH + head + self.0.body.len() + ENTRY;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// A field's bucket and index in a `HeaderMap`, spare room included.
const FIELD: usize = 150;
/// The map, the counts, and what the store itself needs for an entry.
const ENTRY: usize = 400;
