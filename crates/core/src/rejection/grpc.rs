use std::fmt::Write;

use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::Rejection;
use crate::Reply;

/// A trailers-only response: the status stands in the head, and there is no body.
pub(super) fn response<B>(rejection: &Rejection) -> Response<Reply<B>> {
    let mut response = Response::new(Reply::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(code(rejection.status())));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(rejection.message())) {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Ok(code) = HeaderValue::try_from(rejection.code()) {
        headers.insert(CODE, code);
    }
    if let Some(wait) = rejection.retry_after() {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        headers.insert(PUSHBACK, HeaderValue::from(millis));
    }
    response
}

/// The status code of gRPC that says the same.
fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        499 => 1,                   // CANCELLED
        400 | 411 | 415 | 422 => 3, // INVALID_ARGUMENT
        408 | 504 => 4,             // DEADLINE_EXCEEDED
        404 => 5,                   // NOT_FOUND
        409 => 10,                  // ABORTED
        403 | 451 => 7,             // PERMISSION_DENIED
        402 | 413 | 429 => 8,       // RESOURCE_EXHAUSTED
        412 => 9,                   // FAILED_PRECONDITION
        405 | 501 => 12,            // UNIMPLEMENTED
        500 => 13,                  // INTERNAL
        502 | 503 | 529 => 14,      // UNAVAILABLE
        401 => 16,                  // UNAUTHENTICATED
        _ => 2,                     // UNKNOWN
    }
}

/// The encoding of `grpc-message`: printable ASCII but for `%` stays as it is.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    encoded
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const CODE: HeaderName = HeaderName::from_static("x-tollgate-code");
