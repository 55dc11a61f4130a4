use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::error::{Error, error};
use crate::{
    canon::{Fault, Kind},
    halves,
};

/// Reads a provider's error.
pub(crate) fn read_error(status: StatusCode, body: &[u8]) -> Fault {
    let by_status = by_status(status);
    match error_in(body) {
        Some(said) => read(&said, by_status),
        None => Fault {
            kind: by_status,
            code: String::new(),
            message: format!("the provider answered with {}", status.as_u16()),
            param: None,
            retry_after: None,
        },
    }
}

/// Reads an error that stands where an answer should; nothing if it is none.
pub(super) fn told(body: &[u8]) -> Option<Fault> {
    let said = error_in(body)?;
    let status = said["code"].as_u64().and_then(|it| u16::try_from(it).ok());
    let status = status.and_then(|it| StatusCode::from_u16(it).ok());
    Some(read(&said, status.map_or(Kind::Internal, by_status)))
}

/// A provider's fault for a caller.
pub(crate) fn write_fault(fault: &Fault) -> (StatusCode, Bytes) {
    let (status, name) = match fault.kind {
        Kind::InvalidRequest | Kind::ContextLength | Kind::ContentFilter => {
            (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT")
        }
        Kind::Authentication => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        Kind::Permission => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_ARGUMENT"),
        Kind::RateLimited | Kind::QuotaExhausted => {
            (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED")
        }
        Kind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
        Kind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    };
    let body = error(&Error {
        status,
        name,
        message: &fault.message,
        code: &fault.code,
        param: fault.param.as_deref(),
        retry_after: fault.retry_after,
    });
    (status, body.into())
}

/// The error in a body, which some endpoints wrap in an array of one.
fn error_in(body: &[u8]) -> Option<Value> {
    let mut body: Value = halves::read(body)?;
    if let Value::Array(elements) = &mut body {
        body = elements
            .iter_mut()
            .find(|it| it.get("error").is_some())?
            .take();
    }
    let said = body.get_mut("error")?.take();
    (said.is_object() || said.is_string()).then_some(said)
}

fn read(said: &Value, by_status: Kind) -> Fault {
    let status = said["status"].as_str().unwrap_or_default();
    let text = said["message"].as_str().or_else(|| said.as_str());
    let message = text.unwrap_or("the provider gave no reason").to_owned();
    let mut fault = Fault {
        kind: match by_name(status) {
            // The name is vaguer than this status.
            Some(kind) if by_status != Kind::QuotaExhausted => kind,
            _ => by_status,
        },
        code: status.to_owned(),
        message,
        param: None,
        retry_after: None,
    };
    for detail in said["details"].as_array().into_iter().flatten() {
        refine(&mut fault, detail);
    }
    // Google has no code for these.
    let message = fault.message.to_ascii_lowercase();
    if fault.kind == Kind::InvalidRequest && message.contains("token count") {
        fault.kind = Kind::ContextLength;
    }
    if fault.kind == Kind::RateLimited && message.contains("credits are depleted") {
        fault.kind = Kind::QuotaExhausted;
    }
    fault
}

fn refine(fault: &mut Fault, detail: &Value) {
    match detail["@type"]
        .as_str()
        .and_then(|it| it.rsplit('.').next())
    {
        Some("ErrorInfo") => {
            let reason = detail["reason"].as_str().unwrap_or_default();
            if reason.is_empty() {
                return;
            }
            if matches!(reason, "API_KEY_INVALID" | "API_KEY_EXPIRED") {
                fault.kind = Kind::Authentication;
            }
            reason.clone_into(&mut fault.code);
        }
        Some("RetryInfo") => {
            fault.retry_after = detail["retryDelay"].as_str().and_then(duration);
        }
        Some("BadRequest") => {
            let field = detail["fieldViolations"][0]["field"].as_str();
            fault.param = field.filter(|it| !it.is_empty()).map(str::to_owned);
        }
        // What is spent for the day does not come back within a retry, whatever the advice.
        Some("QuotaFailure") if fault.kind == Kind::RateLimited => {
            let violations = detail["violations"].as_array().into_iter().flatten();
            let mut ids = violations.filter_map(|it| it["quotaId"].as_str());
            if ids.any(|id| id.contains("PerDay")) {
                fault.kind = Kind::QuotaExhausted;
            }
        }
        _ => {}
    }
}

/// A duration as protobuf writes it, such as `34.4s`; at most a day of it.
fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (0.0..=86_400.0)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

fn by_name(name: &str) -> Option<Kind> {
    Some(match name {
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" | "UNIMPLEMENTED" => Kind::InvalidRequest,
        "FAILED_PRECONDITION" | "PERMISSION_DENIED" => Kind::Permission,
        "UNAUTHENTICATED" => Kind::Authentication,
        "NOT_FOUND" => Kind::NotFound,
        "RESOURCE_EXHAUSTED" => Kind::RateLimited,
        "DEADLINE_EXCEEDED" => Kind::Timeout,
        "UNAVAILABLE" => Kind::Overloaded,
        "CANCELLED" | "ABORTED" | "DATA_LOSS" | "INTERNAL" => Kind::Internal,
        _ => return None, // `UNKNOWN` as well: the status says more.
    })
}

fn by_status(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 => Kind::Authentication,
        402 => Kind::QuotaExhausted,
        403 => Kind::Permission,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 => Kind::RateLimited,
        502 | 503 | 529 => Kind::Overloaded,
        400..=498 => Kind::InvalidRequest,
        _ => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use serde_json::json;

    use super::{read_error, told, write_fault};
    use crate::canon::{Fault, Kind};

    fn error(status: u16, body: serde_json::Value) -> Fault {
        let status = StatusCode::from_u16(status).unwrap();
        read_error(status, body.to_string().as_bytes())
    }

    #[test]
    fn googles_errors_are_told_apart() {
        let details = |kind: &str, detail: serde_json::Value| {
            let mut detail = detail;
            detail["@type"] = format!("type.googleapis.com/google.rpc.{kind}").into();
            json!([{}, detail])
        };
        for (status, name, message, details, expected) in [
            (
                400,
                "INVALID_ARGUMENT",
                "bad",
                json!(null),
                Kind::InvalidRequest,
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum",
                json!(null),
                Kind::ContextLength,
            ),
            (
                400,
                "INVALID_ARGUMENT",
                "bad key",
                details("ErrorInfo", json!({"reason": "API_KEY_INVALID"})),
                Kind::Authentication,
            ),
            (
                400,
                "FAILED_PRECONDITION",
                "not here",
                json!(null),
                Kind::Permission,
            ),
            (
                401,
                "UNAUTHENTICATED",
                "who",
                json!(null),
                Kind::Authentication,
            ),
            (404, "NOT_FOUND", "no", json!([]), Kind::NotFound),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "slow",
                details(
                    "QuotaFailure",
                    json!({"violations": [{"quotaId": "PerMinute"}]}),
                ),
                Kind::RateLimited,
            ),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "slow",
                details(
                    "QuotaFailure",
                    json!({"violations": [{}, {"quotaId": "RequestsPerDay-Free"}]}),
                ),
                Kind::QuotaExhausted,
            ),
            (
                429,
                "RESOURCE_EXHAUSTED",
                "Your prepayment credits are depleted.",
                json!(7),
                Kind::QuotaExhausted,
            ),
            (500, "INTERNAL", "oh", json!(null), Kind::Internal),
            (503, "UNAVAILABLE", "full", json!(null), Kind::Overloaded),
            (504, "DEADLINE_EXCEEDED", "late", json!(null), Kind::Timeout),
            (413, "NEW", "long", json!(null), Kind::TooLarge),
            (413, "UNKNOWN", "long", json!(null), Kind::TooLarge),
            (500, "UNKNOWN", "oh", json!(null), Kind::Internal),
        ] {
            let one = json!({"error": {"code": status, "message": message, "status": name, "details": details}});
            for body in [one.clone(), json!([one])] {
                let fault = error(status, body.clone());
                assert_eq!((fault.kind, &*fault.message), (expected, message));
                assert_eq!(told(body.to_string().as_bytes()), Some(fault));
            }
        }
    }

    #[test]
    fn a_body_that_is_no_error_leaves_the_status() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            "null",
            r#"{"error":null}"#,
            r#"["error"]"#,
        ] {
            let fault = read_error(StatusCode::BAD_GATEWAY, body.as_bytes());
            assert_eq!(fault.kind, Kind::Overloaded, "{body}");
            assert_eq!(told(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_fault_is_read_again_as_it_was_written() {
        for (kind, status) in [
            (Kind::InvalidRequest, 400),
            (Kind::Authentication, 401),
            (Kind::Permission, 403),
            (Kind::NotFound, 404),
            (Kind::RateLimited, 429),
            (Kind::Timeout, 504),
            (Kind::Overloaded, 503),
            (Kind::Internal, 500),
        ] {
            let fault = Fault {
                kind,
                code: "a_code".to_owned(),
                message: "m\"\n".to_owned(),
                param: Some("contents[0]".to_owned()),
                retry_after: Some(Duration::from_millis(34_400)),
            };
            let (told, body) = write_fault(&fault);
            assert_eq!(told.as_u16(), status);
            assert_eq!(read_error(told, &body), fault);
        }
    }

    #[test]
    fn a_wait_that_makes_no_sense_is_none() {
        for delay in ["", "s", "-1s", "NaNs", "infs", "1e9s", "34.4", "1m"] {
            let detail = json!({"@type": "x.RetryInfo", "retryDelay": delay});
            let body = json!({"error": {"details": [detail]}});
            assert_eq!(error(429, body).retry_after, None, "{delay}");
        }
    }
}
