use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::simulated::{
    MODELS,
    exchange::{date, now},
    refusal::Refusal,
};

/// A refusal in Anthropic's words.
pub(crate) fn error(refusal: &Refusal, number: u64) -> Value {
    let kind = refusal
        .code
        .as_deref()
        .filter(|code| code.ends_with("_error") || *code == "request_too_large");
    let kind = kind.unwrap_or(match refusal.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    });
    json!({
        "type": "error",
        "error": { "type": kind, "message": refusal.message },
        "request_id": format!("req_{number:016x}"),
    })
}

/// The fields of an answer's head.
pub(crate) fn headers(headers: &mut HeaderMap, number: u64) {
    let mut set = |name: String, value: String| {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            HeaderValue::try_from(value),
        ) {
            headers.insert(name, value);
        }
    };
    set("request-id".into(), format!("req_{number:016x}"));
    set(
        "anthropic-organization-id".into(),
        "00000000-0000-4000-8000-000000000000".into(),
    );
    let reset = date(now() + 60);
    for (kind, limit) in [
        ("requests", 4000),
        ("tokens", 480_000),
        ("input-tokens", 400_000),
        ("output-tokens", 80_000),
    ] {
        let prefix = format!("anthropic-ratelimit-{kind}");
        set(format!("{prefix}-limit"), limit.to_string());
        set(
            format!("{prefix}-remaining"),
            (limit - 1 - number % (limit / 2)).to_string(),
        );
        set(format!("{prefix}-reset"), reset.clone());
    }
}

/// The list of models.
pub(crate) fn models() -> Value {
    json!({
        "data": MODELS.map(model), "has_more": false,
        "first_id": MODELS[0], "last_id": MODELS[MODELS.len() - 1],
    })
}

/// One model.
pub(crate) fn model(id: &str) -> Value {
    json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" })
}
