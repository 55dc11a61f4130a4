use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tollgate_core::{Limits, Rejection};

/// A rejection as Anthropic says it, with this status: the SDKs make their typed exceptions of that and this.
pub(crate) fn error_json(rejection: &Rejection, status: StatusCode) -> Bytes {
    let mut details = json!({ "error_code": rejection.code() });
    if let Some(param) = rejection.details().get("param") {
        details["param"] = param.clone();
    }
    let kind = kind(status);
    json!({
        "type": "error",
        "error": { "type": kind, "message": rejection.message(), "details": details },
    })
    .to_string()
    .into()
}

/// An error after the head of a stream has gone out: one event, upon which the SDKs raise.
pub(crate) fn error_event(message: &str, code: &str) -> Bytes {
    let kind = match code {
        "timeout" => "timeout_error",
        "overloaded_error" | "rate_limit_error" => code,
        _ => "api_error",
    };
    let error = json!({
        "type": "error",
        "error": { "type": kind, "message": message, "details": { "error_code": code } },
    });
    format!("event: error\ndata: {error}\n\n").into()
}

/// Anthropic's names for the limits that are counted in requests or tokens.
pub(crate) fn rate_headers(limits: &Limits, headers: &mut HeaderMap) {
    rate_headers_at(Timestamp::now(), limits, headers);
}

fn rate_headers_at(now: Timestamp, limits: &Limits, headers: &mut HeaderMap) {
    for (unit, names) in UNITS {
        let Some(limit) = limits.tightest(unit) else {
            continue;
        };
        let [quota, remaining, reset] = names.map(HeaderName::from_static);
        headers.insert(quota, HeaderValue::from(limit.quota));
        headers.insert(remaining, HeaderValue::from(limit.remaining));
        if let Some(value) = moment(now, limit.reset.unwrap_or_default()) {
            headers.insert(reset, value);
        }
    }
}

/// So long from now, in whole seconds and not too early; nothing if it is past all calendars.
fn moment(now: Timestamp, wait: Duration) -> Option<HeaderValue> {
    let wait = wait.checked_add(Duration::from_millis(999))?;
    let seconds = i64::try_from(wait.as_secs()).ok()?;
    let at = now.as_second().checked_add(seconds)?;
    let at = Timestamp::from_second(at).ok()?;
    HeaderValue::try_from(at.to_string()).ok()
}

const fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

const UNITS: [(&str, [&str; 3]); 4] = [
    (
        "requests",
        [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
    ),
    (
        "tokens",
        [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
    ),
    (
        "input-tokens",
        [
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ],
    ),
    (
        "output-tokens",
        [
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode};
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use tollgate_core::{Limit, Limits, Rejection};

    use super::{error_event, error_json, rate_headers_at};

    fn limit(unit: &'static str, reset: Option<Duration>) -> Limit {
        Limit {
            name: "x".into(),
            unit,
            quota: 60,
            window: Some(Duration::from_secs(60)),
            remaining: 7,
            reset,
        }
    }

    #[test]
    fn resets_are_moments() {
        let limits = Limits::new()
            .with(limit("requests", Some(Duration::from_millis(1500))))
            .with(limit("tokens", Some(Duration::MAX)))
            .with(limit("input-tokens", None))
            .with(limit("output-tokens", None))
            .with(limit("concurrency", None));
        let mut headers = HeaderMap::new();
        rate_headers_at(Timestamp::UNIX_EPOCH, &limits, &mut headers);
        assert_eq!(headers["anthropic-ratelimit-requests-limit"], "60");
        assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "7");
        assert_eq!(
            headers["anthropic-ratelimit-requests-reset"],
            "1970-01-01T00:00:02Z"
        );
        assert!(!headers.contains_key("anthropic-ratelimit-tokens-reset"));
        for unit in ["input-tokens", "output-tokens"] {
            let name = format!("anthropic-ratelimit-{unit}-remaining");
            assert_eq!(headers[name], "7");
        }
        assert_eq!(headers.len(), 11);
    }

    #[test]
    fn a_rejection_has_the_type_of_its_status() {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (413, "request_too_large"),
            (429, "rate_limit_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let rejection = Rejection::new(status, "code", "words").with_detail("param", "model");
            let error: Value = serde_json::from_slice(&error_json(&rejection, status)).unwrap();
            let details = json!({ "error_code": "code", "param": "model" });
            let inner = json!({ "type": kind, "message": "words", "details": details });
            assert_eq!(error, json!({ "type": "error", "error": inner }));
        }
    }

    #[test]
    fn a_broken_stream_ends_with_an_event_of_its_own() {
        let event = error_event("a\nb", "timeout");
        let event = std::str::from_utf8(&event).unwrap();
        let data = event.strip_prefix("event: error\ndata: ").unwrap();
        let error: Value = serde_json::from_str(data).unwrap();
        assert_eq!(error["error"]["type"], "timeout_error");
        assert!(event.ends_with("}\n\n") && event.matches('\n').count() == 3);
    }
}
