use bytes::Bytes;
use http::StatusCode;

use super::error;
use crate::canon::{Fault, Kind};

/// A provider's fault in OpenAI's words. Callers decide by the code, so it is one that OpenAI has, where it has one.
pub(crate) fn write_fault(fault: &Fault) -> (StatusCode, Bytes) {
    let (status, kind, codes) = words(fault.kind);
    let code = match codes {
        [] => fault.code.as_str(),
        codes if codes.contains(&fault.code.as_str()) => fault.code.as_str(),
        codes => codes[0],
    };
    let code = Some(code).filter(|code| !code.is_empty());
    let param = fault.param.clone();
    let body = error(&fault.message, kind, param.into(), code.into());
    (status, body.into())
}

/// The status, the type and the codes; the first is for faults whose code OpenAI does not have.
const fn words(kind: Kind) -> (StatusCode, &'static str, &'static [&'static str]) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        Kind::InvalidRequest => (StatusCode::BAD_REQUEST, INVALID, &[]),
        Kind::ContextLength => (
            StatusCode::BAD_REQUEST,
            INVALID,
            &["context_length_exceeded"],
        ),
        Kind::ContentFilter => (
            StatusCode::BAD_REQUEST,
            INVALID,
            &["content_filter", "content_policy_violation"],
        ),
        // About the gateway's credential, not the caller's: a 401 would send the caller to look at its own.
        Kind::Authentication => (StatusCode::BAD_GATEWAY, SERVER, &["upstream_unauthorized"]),
        Kind::Permission => (StatusCode::FORBIDDEN, INVALID, &["permission_denied"]),
        Kind::NotFound => (StatusCode::NOT_FOUND, INVALID, &["model_not_found"]),
        Kind::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            INVALID,
            &["request_too_large"],
        ),
        Kind::RateLimited => (
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            &["rate_limit_exceeded", "slow_down"],
        ),
        Kind::QuotaExhausted => (
            StatusCode::TOO_MANY_REQUESTS,
            "insufficient_quota",
            &["insufficient_quota", "credit_balance_exhausted"],
        ),
        Kind::Timeout => (StatusCode::GATEWAY_TIMEOUT, SERVER, &["timeout"]),
        Kind::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            SERVER,
            &["server_is_overloaded"],
        ),
        Kind::Internal => (StatusCode::BAD_GATEWAY, SERVER, &[]),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::write_fault;
    use crate::{
        canon::{Fault, Kind},
        openai::read_error,
    };

    fn fault(kind: Kind, code: &str) -> Fault {
        Fault {
            kind,
            code: code.to_owned(),
            message: "no".to_owned(),
            param: None,
            retry_after: None,
        }
    }

    #[test]
    fn an_error_has_all_four_keys() {
        let mut fault = fault(Kind::InvalidRequest, "");
        fault.param = Some("messages".to_owned());
        let (status, body) = write_fault(&fault);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({"error": {
            "message": "no", "type": "invalid_request_error", "param": "messages", "code": null}});
        assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
    }

    #[test]
    fn a_code_that_openai_lacks_becomes_one_that_it_has() {
        for (kind, code, expected) in [
            (Kind::Overloaded, "overloaded_error", "server_is_overloaded"),
            (
                Kind::RateLimited,
                "RESOURCE_EXHAUSTED",
                "rate_limit_exceeded",
            ),
            (Kind::RateLimited, "slow_down", "slow_down"),
            (
                Kind::InvalidRequest,
                "unsupported_parameter",
                "unsupported_parameter",
            ),
        ] {
            let (_, body) = write_fault(&fault(kind, code));
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["error"]["code"], expected);
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same_kind() {
        for kind in [
            Kind::InvalidRequest,
            Kind::ContextLength,
            Kind::ContentFilter,
            Kind::Permission,
            Kind::NotFound,
            Kind::TooLarge,
            Kind::RateLimited,
            Kind::QuotaExhausted,
            Kind::Timeout,
            Kind::Overloaded,
            Kind::Internal,
        ] {
            let (status, body) = write_fault(&fault(kind, ""));
            assert_eq!(read_error(status, &body).kind, kind);
        }
    }
}
