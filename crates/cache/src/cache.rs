use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_TYPE, ORIGIN},
    request::Parts,
};
use tokio::time::Instant;
use tollgate_core::{Payload, Rejection, Trail, fact::CacheStatus};

use crate::{
    CachePolicy, STATUS,
    answer::Answer,
    cache_control::CacheControl,
    key::{Fields, Key},
    slot::Slot,
    store::Store,
    tenant::Tenant,
};

/// Looks requests up: what all services of a layer share.
#[derive(Clone)]
pub(crate) struct Cache<K, P> {
    pub(crate) store: Arc<Store>,
    pub(crate) vary: Arc<[HeaderName]>,
    pub(crate) by: K,
    pub(crate) when: P,
}

/// What was found.
pub(crate) enum Lookup {
    Hit(Answer, Duration),
    Miss(Slot),
    Bypass,
    Refused(Rejection),
}

impl<K, P> Cache<K, P> {
    pub(crate) fn new(policy: CachePolicy, by: K, when: P) -> Self {
        Self {
            store: Arc::new(Store::new(policy)),
            vary: Arc::new(VARY),
            by,
            when,
        }
    }

    /// Finds the answer to a request, or a place for it. `empty` says that it has no body.
    pub(crate) fn look_up(&self, parts: &mut Parts, empty: bool) -> Lookup
    where
        K: Fn(&Parts) -> Option<Tenant>,
        P: Fn(&Parts) -> bool,
    {
        let trail = Trail::of(parts);
        let control = CacheControl::of(&parts.headers);
        let found = self.find(parts, empty, control, &trail);
        let status = match &found {
            Lookup::Hit(..) => CacheStatus::Hit,
            Lookup::Miss(_) => CacheStatus::Miss,
            Lookup::Bypass | Lookup::Refused(_) => CacheStatus::Bypass,
        };
        trail.set(status);
        match found {
            Lookup::Miss(_) | Lookup::Bypass if control.only_if_cached => {
                Lookup::Refused(not_cached(status))
            }
            found => found,
        }
    }

    fn find(&self, parts: &Parts, empty: bool, control: CacheControl, trail: &Trail) -> Lookup
    where
        K: Fn(&Parts) -> Option<Tenant>,
        P: Fn(&Parts) -> bool,
    {
        let payload = parts.extensions.get::<Payload>();
        let known = empty || payload.is_some();
        let method = &parts.method;
        let repeatable = *method == Method::GET || (*method == Method::POST && payload.is_some());
        if !known || !repeatable || control.no_store || is_special(&parts.headers) {
            return Lookup::Bypass;
        }
        if !(self.when)(parts) {
            return Lookup::Bypass;
        }
        let Some(tenant) = (self.by)(parts) else {
            return Lookup::Bypass;
        };
        let key = Key::of(Fields {
            epoch: self.store.policy.epoch,
            tenant: tenant.name(),
            parts,
            digest: payload.map(Payload::digest),
            vary: &self.vary,
        });
        if !control.no_cache
            && let Some(answer) = self.store.get(&key)
            && let Some(age) = answer.age(Instant::now(), control.max_age)
        {
            return Lookup::Hit(answer, age);
        }
        Lookup::Miss(Slot {
            key,
            store: Arc::clone(&self.store),
            vary: Arc::clone(&self.vary),
            anonymous: tenant == Tenant::Anonymous,
            trail: trail.clone(),
        })
    }
}

/// Whether the answer depends on more than what is asked for: a part of it, a condition, a protocol with trailers.
fn is_special(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let grpc = headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= GRPC.len() && value[..GRPC.len()].eq_ignore_ascii_case(GRPC)
    });
    let special = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "range"
                | "if-match"
                | "if-none-match"
                | "if-modified-since"
                | "if-unmodified-since"
                | "if-range"
                | "upgrade"
        )
    };
    grpc || headers.keys().any(special)
}

fn not_cached(status: CacheStatus) -> Rejection {
    Rejection::new(
        StatusCode::GATEWAY_TIMEOUT,
        "not_cached",
        "the answer is not cached, and only a cached one was asked for",
    )
    .with_header(STATUS, status.as_str().parse().expect("a status is a word"))
}

/// What a server may choose an answer by, and what gives a body's bytes their meaning.
const VARY: [HeaderName; 6] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    ORIGIN,
];
