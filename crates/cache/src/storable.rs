//! Which answers may be kept, and what of their heads.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AGE, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, SET_COOKIE, VARY},
    response,
};
use tollgate_core::{
    Glance, Rejection,
    fact::{Failure, Superseded},
};

use crate::{
    answer::Freshness,
    cache_control::{CacheControl, seconds},
    policy::CachePolicy,
};

/// For how long an answer with this head may be kept, if at all and if its body ends well.
pub(crate) fn freshness(
    head: &response::Parts,
    policy: &CachePolicy,
    vary: &[HeaderName],
    anonymous: bool,
) -> Option<Freshness> {
    let control = CacheControl::of(&head.headers);
    // Servers say `no-cache` of event streams out of habit, against buffering proxies.
    let stale = control.no_cache && !is_event_stream(&head.headers);
    let refused = head.status != StatusCode::OK
        || head.extensions.get::<Rejection>().is_some()
        || control.no_store
        || (control.private && anonymous)
        || stale
        || head.headers.contains_key(SET_COOKIE)
        || head.headers.contains_key(GRPC_STATUS)
        || !is_keyed(&head.headers, vary);
    if refused {
        return None;
    }
    let age = head
        .headers
        .get(AGE)
        .map_or(Duration::ZERO, |age| seconds(age.as_bytes()));
    let ttl = match control.s_maxage.or(control.max_age) {
        Some(most) => policy.ttl.min(most.saturating_sub(age)),
        None => policy.ttl,
    };
    (ttl > Duration::ZERO).then_some(Freshness { age, ttl })
}

/// The length that a head declares: none if it does not, an error if it makes no sense.
pub(crate) fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(length), None) => length
            .to_str()
            .ok()
            .and_then(|it| it.parse().ok())
            .map(Some)
            .ok_or(()),
        _ => Err(()),
    }
}

/// The head without what belongs to one exchange only: hop-by-hop fields, ids, rate limits, this gateway's own.
pub(crate) fn kept(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named: Vec<HeaderName> = headers.get_all(CONNECTION).iter().flat_map(names).collect();
    let of_the_answer =
        move |name: &HeaderName| !belongs_to_one_exchange(name.as_str()) && !named.contains(name);
    headers.iter().filter(move |(name, _)| of_the_answer(name))
}

/// Whether an answer failed in a way that only those who wrote to the trail know, such as by an error event in an
/// event stream. Attempts that another took the place of do not count.
pub(crate) fn has_failed(node: &Glance<'_>) -> bool {
    let served = |attempt: &Glance<'_>| attempt.get::<Superseded>().is_none();
    node.get::<Failure>().is_some()
        || node
            .children()
            .rev()
            .find(served)
            .is_some_and(|attempt| has_failed(&attempt))
}

/// Whether all that the answer depends on is part of the key.
fn is_keyed(headers: &HeaderMap, vary: &[HeaderName]) -> bool {
    headers.get_all(VARY).iter().all(|value| {
        let mut fields = value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        fields.all(|field| {
            field.is_empty()
                || [HOST]
                    .iter()
                    .chain(vary)
                    .any(|name| field.eq_ignore_ascii_case(name.as_str().as_bytes()))
        })
    })
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= EVENTS.len() && value[..EVENTS.len()].eq_ignore_ascii_case(EVENTS)
    })
}

fn belongs_to_one_exchange(name: &str) -> bool {
    matches!(
        name,
        "age"
            | "connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "retry-after"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "keep-alive"
            | "proxy-connection"
            | "authentication-info"
            | "proxy-authentication-info"
            | "server-timing"
    ) || name.starts_with("x-tollgate-")
        || (name.contains("rate") && (name.contains("ratelimit") || name.contains("rate-limit")))
        || (name.contains("request") && (name.contains("request-id") || name.contains("requestid")))
}

fn names(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    let names = value.as_bytes().split(|byte| *byte == b',');
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
