use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tollgate_core::Rejection;

use crate::render::INSUFFICIENT_QUOTA;

/// A rejection as Google says it.
pub(crate) fn error_json(rejection: &Rejection) -> Bytes {
    let param = rejection.details().get("param").and_then(Value::as_str);
    error(&Error {
        status: rejection.status(),
        name: match rejection.code() {
            INSUFFICIENT_QUOTA => "RESOURCE_EXHAUSTED",
            _ => name(rejection.status()),
        },
        message: rejection.message(),
        code: rejection.code(),
        param,
        retry_after: rejection.retry_after(),
    })
    .into()
}

/// An error after the head of a stream of events has gone out. Google's SDKs know it by its first bytes.
pub(crate) fn error_event(message: &str, code: &str) -> Bytes {
    format!("data: {}\n\n", broken(message, code)).into()
}

/// The same in a stream that is one JSON array, which it ends. `begun` says whether an element stands before it.
pub(crate) fn error_element(message: &str, code: &str, begun: bool) -> Bytes {
    let before = if begun { ",\n" } else { "[" };
    format!("{before}{}]", broken(message, code)).into()
}

fn broken(message: &str, code: &str) -> String {
    error(&Error {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        name: "INTERNAL",
        message,
        code,
        param: None,
        retry_after: None,
    })
}

/// What an error says.
#[derive(Debug)]
pub(super) struct Error<'a> {
    pub(super) status: StatusCode,
    /// Of `google.rpc.Code`.
    pub(super) name: &'static str,
    pub(super) message: &'a str,
    pub(super) code: &'a str,
    pub(super) param: Option<&'a str>,
    pub(super) retry_after: Option<Duration>,
}

/// An error's body, with details as `google.rpc` has them.
pub(super) fn error(error: &Error<'_>) -> String {
    let mut details = Vec::new();
    if !error.code.is_empty() {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code,
            "domain": "tollgate",
        }));
    }
    if let Some(wait) = error.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}.{:03}s", wait.as_secs(), wait.subsec_millis()),
        }));
    }
    if let Some(param) = error.param {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": param, "description": error.message }],
        }));
    }
    let mut body = json!({ "error": {
        "code": error.status.as_u16(),
        "message": error.message,
        "status": error.name,
    }});
    if !details.is_empty() {
        body["error"]["details"] = details.into();
    }
    body.to_string()
}

/// Google's name for what a status means.
pub(super) const fn name(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        502 | 503 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use serde_json::{Value, json};
    use tollgate_core::Rejection;

    use super::{error_element, error_event, error_json, name};

    #[test]
    fn a_rejection_is_told_in_googles_words() {
        let rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", "enough")
            .with_retry_after(Duration::from_millis(1500))
            .with_detail("param", "contents[0]");
        let told: Value = serde_json::from_slice(&error_json(&rejection)).unwrap();
        let expected = json!({"error": {
            "code": 429,
            "message": "enough",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "quota_exceeded", "domain": "tollgate"},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
                {"@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "contents[0]", "description": "enough"}]},
            ],
        }});
        assert_eq!(told, expected);
    }

    #[test]
    fn a_broken_stream_is_told_in_its_own_framing() {
        let event = error_event("a\nb", "stream_broken");
        let event = std::str::from_utf8(&event).unwrap();
        assert!(
            event.starts_with(r#"data: {"error":{"code":500,"#),
            "{event}"
        );
        assert_eq!(event.find("\n\n"), Some(event.len() - 2));

        for (before, begun) in [("", false), (r#"[{"candidates":[]}"#, true)] {
            let element = error_element("m", "c", begun);
            let array = [before.as_bytes(), &element].concat();
            let array: Vec<Value> = serde_json::from_slice(&array).unwrap();
            assert_eq!(array.last().unwrap()["error"]["status"], "INTERNAL");
        }
    }

    #[test]
    fn every_status_has_a_name() {
        for (status, expected) in [
            (400, "INVALID_ARGUMENT"),
            (413, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (503, "UNAVAILABLE"),
            (529, "INTERNAL"),
        ] {
            assert_eq!(name(StatusCode::from_u16(status).unwrap()), expected);
        }
    }
}
