use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::canon::{Fault, Kind};

/// Reads an error in place of an answer, also one that is not JSON.
pub(crate) fn read_error(status: StatusCode, body: &[u8]) -> Fault {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let body = match &value {
        Value::Array(errors) => errors.first().unwrap_or(&Value::Null),
        value => value,
    };
    let error = body.get("error").filter(|it| !it.is_null());
    of_error(error.unwrap_or(body), Some(status))
}

/// Reads an error object, in a stream without a status.
pub(super) fn of_error(error: &Value, status: Option<StatusCode>) -> Fault {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = text("type");
    let message = match (error.as_str(), text("message"), status) {
        (Some(message), ..) => message,
        (_, "", Some(status)) => status.canonical_reason().unwrap_or("unknown error"),
        (_, "", None) => "unknown error",
        (_, message, _) => message,
    };
    let code = error.pointer("/details/error_code").and_then(Value::as_str);
    Fault {
        kind: kind_of(kind, message, status),
        code: cut(code.unwrap_or(kind), 64),
        message: cut(message, 4096),
        param: None,
        retry_after: None,
    }
}

/// An answer or a stream that is none.
pub(super) fn broken(message: impl Into<String>) -> Fault {
    Fault {
        kind: Kind::Internal,
        code: "invalid_response".to_owned(),
        message: message.into(),
        param: None,
        retry_after: None,
    }
}

/// Tells a provider's fault to a caller.
pub(crate) fn write_fault(fault: &Fault) -> (StatusCode, Bytes) {
    let (status, kind) = match fault.kind {
        Kind::InvalidRequest | Kind::ContextLength | Kind::ContentFilter => (400, INVALID),
        Kind::Authentication => (401, "authentication_error"),
        Kind::QuotaExhausted => (402, "billing_error"),
        Kind::Permission => (403, "permission_error"),
        Kind::NotFound => (404, "not_found_error"),
        Kind::TooLarge => (413, "request_too_large"),
        Kind::RateLimited => (429, "rate_limit_error"),
        Kind::Internal => (500, "api_error"),
        Kind::Timeout => (504, "timeout_error"),
        Kind::Overloaded => (529, "overloaded_error"),
    };
    let mut message = fault.message.clone();
    if fault.kind == Kind::ContextLength && !message.contains(TOO_LONG) {
        // Agents look for these words, to make the conversation shorter.
        message = format!("{TOO_LONG}: {message}");
    }
    let mut error = json!({ "type": kind, "message": message });
    if !fault.code.is_empty() && fault.code != kind {
        error["details"] = json!({ "error_code": fault.code });
    }
    if let Some(param) = &fault.param {
        error["details"]["param"] = param.as_str().into();
    }
    let body = json!({ "type": "error", "error": error }).to_string();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body.into())
}

fn kind_of(kind: &str, message: &str, status: Option<StatusCode>) -> Kind {
    match kind {
        INVALID => by_words(message).unwrap_or(Kind::InvalidRequest),
        "authentication_error" => Kind::Authentication,
        "billing_error" => Kind::QuotaExhausted,
        "permission_error" => Kind::Permission,
        "not_found_error" => Kind::NotFound,
        "conflict_error" => Kind::InvalidRequest,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error" => match by_words(message) {
            Some(Kind::QuotaExhausted) => Kind::QuotaExhausted,
            _ => Kind::RateLimited,
        },
        "timeout_error" => Kind::Timeout,
        "overloaded_error" => Kind::Overloaded,
        // Such as `api_error`, which says less than the status.
        _ => match status.map_or(500, |status| status.as_u16()) {
            401 => Kind::Authentication,
            402 => Kind::QuotaExhausted,
            403 => Kind::Permission,
            404 => Kind::NotFound,
            408 | 504 => Kind::Timeout,
            413 => Kind::TooLarge,
            429 => Kind::RateLimited,
            503 | 529 => Kind::Overloaded,
            400..500 => by_words(message).unwrap_or(Kind::InvalidRequest),
            _ => Kind::Internal,
        },
    }
}

/// What the provider tells by words only.
fn by_words(message: &str) -> Option<Kind> {
    let has = |words: &[&str]| words.iter().any(|it| message.contains(it));
    if has(&[
        TOO_LONG,
        "context limit",
        "context window",
        "too many total text bytes",
    ]) {
        Some(Kind::ContextLength)
    } else if has(&[
        "credit balance",
        "usage limits",
        "spend limit",
        "current quota",
    ]) {
        Some(Kind::QuotaExhausted)
    } else if has(&["content filtering"]) {
        Some(Kind::ContentFilter)
    } else {
        None
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

const INVALID: &str = "invalid_request_error";
const TOO_LONG: &str = "prompt is too long";

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::{read_error, write_fault};
    use crate::canon::Kind;

    #[test]
    fn an_error_is_known_by_its_type_then_by_its_status() {
        let of = |kind: &str, message: &str| {
            json!({ "type": "error", "error": { "type": kind, "message": message } }).to_string()
        };
        for (status, body, kind) in [
            (
                400,
                of("invalid_request_error", "max_tokens: required"),
                Kind::InvalidRequest,
            ),
            (
                400,
                of(
                    "invalid_request_error",
                    "prompt is too long: 9 tokens > 8 maximum",
                ),
                Kind::ContextLength,
            ),
            (
                400,
                of("invalid_request_error", "Your credit balance is too low"),
                Kind::QuotaExhausted,
            ),
            (
                400,
                of(
                    "invalid_request_error",
                    "Output blocked by content filtering policy",
                ),
                Kind::ContentFilter,
            ),
            (401, of("authentication_error", "x"), Kind::Authentication),
            (402, of("billing_error", "x"), Kind::QuotaExhausted),
            (403, of("permission_error", "x"), Kind::Permission),
            (404, of("not_found_error", "x"), Kind::NotFound),
            (413, of("request_too_large", "x"), Kind::TooLarge),
            (429, of("rate_limit_error", "x"), Kind::RateLimited),
            (
                429,
                of("rate_limit_error", "over your monthly spend limit"),
                Kind::QuotaExhausted,
            ),
            (500, of("api_error", "x"), Kind::Internal),
            (503, of("api_error", "x"), Kind::Overloaded),
            (504, of("timeout_error", "x"), Kind::Timeout),
            (529, of("overloaded_error", "x"), Kind::Overloaded),
            (529, "<html>".to_owned(), Kind::Overloaded),
            (
                429,
                r#"{"message":"Too many requests"}"#.to_owned(),
                Kind::RateLimited,
            ),
            (503, r#"[{"error":"busy"}]"#.to_owned(), Kind::Overloaded),
            (418, "[]".to_owned(), Kind::InvalidRequest),
            (502, String::new(), Kind::Internal),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let fault = read_error(status, body.as_bytes());
            assert_eq!(fault.kind, kind, "{body}");
            assert!(!fault.message.is_empty());
        }
    }

    #[test]
    fn an_error_that_is_read_and_written_is_the_same() {
        let body = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded",
            "details": { "error_code": "busy" } } });
        let status = StatusCode::from_u16(529).unwrap();
        let fault = read_error(status, body.to_string().as_bytes());
        let (told, written) = write_fault(&fault);
        assert_eq!(
            (told, serde_json::from_slice::<Value>(&written).unwrap()),
            (status, body)
        );
    }

    #[test]
    fn a_conversation_that_is_too_long_is_told_in_words_that_agents_know() {
        let body =
            br#"{"error":{"type":"invalid_request_error","message":"exceeds the context window"}}"#;
        let (_, written) = write_fault(&read_error(StatusCode::BAD_REQUEST, body));
        let written: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(
            written["error"]["message"],
            "prompt is too long: exceeds the context window"
        );
    }
}
