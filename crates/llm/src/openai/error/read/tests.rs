use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{in_stream, read_error};
use crate::canon::{Fault, Kind};

fn read(status: u16, body: &Value) -> Fault {
    let status = StatusCode::from_u16(status).unwrap();
    read_error(status, body.to_string().as_bytes())
}

#[test]
fn the_code_tells_more_than_the_status() {
    let coded = |kind: &str, code: &str| json!({"error": {"message": "no", "type": kind, "param": null, "code": code}});
    for (status, body, kind) in [
        (
            400,
            coded("invalid_request_error", "context_length_exceeded"),
            Kind::ContextLength,
        ),
        (400, coded("", "content_filter"), Kind::ContentFilter),
        (
            429,
            coded("insufficient_quota", "insufficient_quota"),
            Kind::QuotaExhausted,
        ),
        (
            429,
            coded("", "credit_balance_exhausted"),
            Kind::QuotaExhausted,
        ),
        (
            429,
            coded("rate_limit_error", "slow_down"),
            Kind::RateLimited,
        ),
        (
            429,
            coded("requests", "rate_limit_exceeded"),
            Kind::RateLimited,
        ),
        (
            503,
            coded("server_error", "server_is_overloaded"),
            Kind::Overloaded,
        ),
        (404, coded("", "model_not_found"), Kind::NotFound),
        (
            400,
            coded("", "unsupported_parameter"),
            Kind::InvalidRequest,
        ),
        (422, coded("", ""), Kind::InvalidRequest),
        (500, coded("server_error", ""), Kind::Internal),
        (502, json!({}), Kind::Internal),
        (504, json!(null), Kind::Timeout),
        (413, json!(7), Kind::TooLarge),
    ] {
        assert_eq!(read(status, &body).kind, kind, "{status} {body}");
    }
}

#[test]
fn errors_of_other_shapes_are_read() {
    let vllm = json!({"object": "error", "type": "BadRequestError", "code": 400, "param": null,
        "message": "This model's maximum context length is 4096 tokens."});
    assert_eq!(read(400, &vllm).kind, Kind::ContextLength);
    let azure = json!({"error": {"code": "content_filter", "status": 400, "message": "m",
        "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    assert_eq!(read(400, &azure).kind, Kind::ContentFilter);
    let google = json!([{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED",
        "details": [{}, {"retryDelay": "34.5s"}]}}]);
    let fault = read(429, &google);
    assert_eq!(
        (fault.kind, fault.retry_after),
        (Kind::RateLimited, Some(Duration::from_millis(34_500)))
    );
    for (body, message) in [
        (json!({"error": "overloaded"}), "overloaded"),
        (json!({"detail": "Not Found"}), "Not Found"),
        (json!({"detail": [{"loc": [], "msg": "bad"}]}), "bad"),
        (json!({"statusCode": 401, "message": "gone"}), "gone"),
        (
            json!({"error": {}}),
            "the provider answered with status 400",
        ),
    ] {
        assert_eq!(read(400, &body).message, message, "{body}");
    }
}

#[test]
fn a_proxys_page_is_not_passed_on() {
    for (body, message) in [
        (
            "<html>secret</html>",
            "the provider answered with status 502",
        ),
        ("", "the provider answered with status 502"),
        ("too busy\n", "too busy"),
    ] {
        let fault = read_error(StatusCode::BAD_GATEWAY, body.as_bytes());
        assert_eq!((fault.kind, &*fault.message), (Kind::Internal, message));
    }
}

#[test]
fn what_an_error_says_of_the_gateways_key_is_not_repeated() {
    let body = json!({"error": {"message": "Incorrect API key provided: sk-1****abcd", "code": "invalid_api_key"}});
    let fault = read(401, &body);
    assert_eq!(fault.kind, Kind::Authentication);
    assert!(!fault.message.contains("sk-"));
}

#[test]
fn waits_that_are_said_in_words_are_understood() {
    for (message, wait) in [
        (
            "Rate limit reached. Please try again in 1.5s. Visit x",
            Some(1500),
        ),
        ("try again in 120ms.", Some(120)),
        ("try again in 6m0s", Some(360_000)),
        ("Please retry after 20 seconds.", Some(20_000)),
        ("try again in a while", None),
        ("try again in ", None),
        ("try again in 9e999s", None),
        ("no", None),
    ] {
        let fault = read(429, &json!({"error": {"message": message}}));
        assert_eq!(
            fault.retry_after,
            wait.map(Duration::from_millis),
            "{message}"
        );
    }
}

#[test]
fn an_error_in_a_stream_is_told_from_a_chunk() {
    assert_eq!(in_stream(&json!({"choices": [], "error": null})), None);
    assert_eq!(in_stream(&json!({"error": ""})), None);
    for (value, kind) in [
        (
            json!({"error": {"message": "m", "type": "server_error"}}),
            Kind::Internal,
        ),
        (
            json!({"error": {"message": "m", "code": 429}}),
            Kind::RateLimited,
        ),
        (
            json!({"error": {"message": "m", "type": "overloaded_error"}}),
            Kind::Overloaded,
        ),
        (
            json!({"object": "error", "message": "m", "code": 400}),
            Kind::InvalidRequest,
        ),
        (json!({"error": "m"}), Kind::Internal),
    ] {
        let fault = in_stream(&value).unwrap();
        assert_eq!((fault.kind, &*fault.message), (kind, "m"), "{value}");
    }
}
