#[cfg(feature = "upstream")]
mod read;
#[cfg(feature = "upstream")]
mod write;

use std::{fmt::Write, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tollgate_core::{Limits, Rejection};

use crate::render::INSUFFICIENT_QUOTA;

#[cfg(feature = "upstream")]
pub(crate) use self::{
    read::{in_stream, invalid, read_error},
    write::write_fault,
};

/// A rejection as OpenAI says it: the SDKs make their typed exceptions of the status and this.
pub(crate) fn error_json(rejection: &Rejection) -> Bytes {
    error(
        rejection.message(),
        kind(rejection.status(), rejection.code()),
        rejection
            .details()
            .get("param")
            .cloned()
            .unwrap_or_default(),
        rejection.code().into(),
    )
    .into()
}

/// An error after the head of a stream has gone out: one event, upon which the SDKs raise.
pub(crate) fn error_event(message: &str, code: &str) -> Bytes {
    let error = error(message, "server_error", Value::Null, code.into());
    format!("data: {error}\n\n").into()
}

/// OpenAI's names for the limits that are counted in requests or tokens.
pub(crate) fn rate_headers(limits: &Limits, headers: &mut HeaderMap) {
    for (unit, names) in [("requests", REQUESTS), ("tokens", TOKENS)] {
        let Some(limit) = limits.tightest(unit) else {
            continue;
        };
        let [quota, remaining, reset] = names;
        headers.insert(quota, HeaderValue::from(limit.quota));
        headers.insert(remaining, HeaderValue::from(limit.remaining));
        if let Ok(value) = HeaderValue::try_from(duration(limit.reset.unwrap_or_default())) {
            headers.insert(reset, value);
        }
    }
}

fn error(message: &str, kind: &str, param: Value, code: Value) -> String {
    json!({
        "error": { "message": message, "type": kind, "param": param, "code": code }
    })
    .to_string()
}

fn kind(status: StatusCode, code: &str) -> &'static str {
    match status.as_u16() {
        429 if code == INSUFFICIENT_QUOTA => INSUFFICIENT_QUOTA,
        429 => "rate_limit_error",
        402 => INSUFFICIENT_QUOTA,
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// A duration as Go writes it: `120ms`, `1s`, `6m0s`. It is not too short.
fn duration(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    let written = match (hours, minutes) {
        (0, 0) => Ok(()),
        (0, minutes) => write!(text, "{minutes}m"),
        (hours, minutes) => write!(text, "{hours}h{minutes}m"),
    };
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    text.push_str(&match rest {
        0 => format!("{seconds}s"),
        rest => format!("{seconds}.{rest:03}s"),
    });
    text
}

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (millis, text) in [
            (0, "0ms"),
            (120, "120ms"),
            (1000, "1s"),
            (1500, "1.500s"),
            (360_000, "6m0s"),
            (3_661_000, "1h1m1s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
