use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::AGE};
use tokio::time::Instant;
use tollgate_core::{Reply, fact::CacheStatus};

use crate::{ROOM, STATUS, key::Key, storable::kept};

/// A complete answer of `200`, kept. Clones share it.
#[derive(Clone)]
pub(crate) struct Answer(Arc<Kept>);

struct Kept {
    headers: Box<[(HeaderName, Range<usize>)]>,
    /// The headers' values, then the body: in one piece, a copy of its own. What came over a connection is a part of its
    /// read buffer, which would be kept alive; and many small pieces cost more to forget than to keep.
    bytes: Bytes,
    body: usize,
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
    /// Its age if it may be used, by its own time and by what the caller accepts.
    pub(crate) fn age(&self, now: Instant, max_age: Option<Duration>) -> Option<Duration> {
        let resident = now.saturating_duration_since(self.0.stored);
        let age = self.0.fresh.age.saturating_add(resident);
        let usable = resident < self.0.fresh.ttl && max_age.is_none_or(|most| age <= most);
        usable.then_some(age)
    }

    pub(crate) fn replay<B>(&self, age: Duration) -> Response<Reply<B>> {
        let kept = &*self.0;
        let mut response = Response::new(Reply::full(kept.bytes.slice(kept.body..)));
        let headers = response.headers_mut();
        headers.reserve(kept.headers.len() + ROOM);
        for (name, place) in &kept.headers {
            // It was a value when it was kept, so it still is.
            if let Ok(value) = HeaderValue::from_maybe_shared(kept.bytes.slice(place.clone())) {
                headers.append(name.clone(), value);
            }
        }
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
        headers.insert(STATUS, HeaderValue::from_static(CacheStatus::Hit.as_str()));
        response
    }

    /// What it takes to keep it, in bytes.
    pub(crate) fn weight(&self) -> u32 {
        let bytes = Key::LENGTH + self.0.bytes.len() + self.0.headers.len() * FIELD + ENTRY;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// An answer that is still coming: what is kept of its head, and the body so far.
pub(crate) struct Draft {
    headers: Box<[(HeaderName, Range<usize>)]>,
    bytes: Vec<u8>,
    body: usize,
}

impl Draft {
    /// An answer with this head, and room for a body of this length.
    pub(crate) fn new(headers: &HeaderMap, length: usize) -> Self {
        let most: usize = headers.values().map(HeaderValue::len).sum();
        let mut bytes = Vec::with_capacity(most + length);
        let place = |(name, value): (&HeaderName, &HeaderValue)| {
            let start = bytes.len();
            bytes.extend_from_slice(value.as_bytes());
            (name.clone(), start..bytes.len())
        };
        let headers = kept(headers).map(place).collect();
        Self {
            headers,
            body: bytes.len(),
            bytes,
        }
    }

    /// Goes on with the body.
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// How long the body is so far.
    pub(crate) const fn length(&self) -> usize {
        self.bytes.len() - self.body
    }

    pub(crate) fn finish(mut self, fresh: Freshness, stored: Instant) -> Answer {
        self.bytes.shrink_to_fit();
        Answer(Arc::new(Kept {
            headers: self.headers,
            bytes: Bytes::from(self.bytes),
            body: self.body,
            fresh,
            stored,
        }))
    }
}

/// A field's name and place; a name of one's own has a piece of memory of its own.
const FIELD: usize = 100;
/// The counts, and what the store itself needs for an entry.
const ENTRY: usize = 400;
