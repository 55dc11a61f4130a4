use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode, response::Parts};
use tollgate_core::{About, Rejection};

use crate::retry_after::retry_after;

/// Says what an answer tells of the target's health: [`Standard`], or any `Fn(&response::Parts) -> Class`.
pub trait Classifier {
    /// Judges the head. A [`Class::Success`] counts only once the body is complete.
    fn head(&self, head: &Parts) -> Class;

    /// Judges trailers, after a head that was a success; none where they say nothing. By default, as gRPC has it.
    fn trailers(&self, trailers: &HeaderMap) -> Option<Class> {
        grpc(trailers)
    }
}

impl<F: Fn(&Parts) -> Class> Classifier for F {
    fn head(&self, head: &Parts) -> Class {
        self(head)
    }
}

/// What a call tells of its target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// It works, but has more to do than it can. Given a time, it is left alone until then; without, it counts as
    /// nothing.
    Saturated(Option<Duration>),
    /// Nothing: the caller was at fault.
    Ignored,
}

/// The classifier that suits most targets.
///
/// | answer | class |
/// |---|---|
/// | a [`Rejection`] from further in | about the target: failure; about the caller: ignored |
/// | gRPC `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS` | failure |
/// | gRPC `RESOURCE_EXHAUSTED` | saturated |
/// | gRPC `OK`; any other | success; ignored |
/// | 429, 529 | saturated |
/// | other 5xx | failure |
/// | other 4xx | ignored |
/// | 1xx, 2xx, 3xx | success |
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

impl Classifier for Standard {
    fn head(&self, head: &Parts) -> Class {
        if let Some(rejection) = head.extensions.get::<Rejection>() {
            return match rejection.about() {
                About::Target => Class::Failure,
                About::Caller => Class::Ignored,
            };
        }
        if let Some(class) = grpc(&head.headers) {
            return class;
        }
        match head.status {
            StatusCode::TOO_MANY_REQUESTS => saturated(&head.headers),
            status if status.as_u16() == OVERLOADED => saturated(&head.headers),
            status if status.is_server_error() => Class::Failure,
            status if status.is_client_error() => Class::Ignored,
            _ => Class::Success,
        }
    }
}

/// What `grpc-status` says, in trailers or in a head without a body.
fn grpc(headers: &HeaderMap) -> Option<Class> {
    let status = headers.get("grpc-status").map(HeaderValue::as_bytes)?;
    Some(match status {
        b"0" => Class::Success,
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
        b"2" | b"4" | b"13" | b"14" | b"15" => Class::Failure,
        b"8" => saturated(headers), // RESOURCE_EXHAUSTED
        _ => Class::Ignored,
    })
}

fn saturated(headers: &HeaderMap) -> Class {
    Class::Saturated(retry_after(headers, SystemTime::now()))
}

/// What Anthropic answers when it has too much to do.
const OVERLOADED: u16 = 529;
