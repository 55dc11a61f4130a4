use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::simulated::refusal::Refusal;

/// A refusal in OpenAI's words.
pub(crate) fn error(refusal: &Refusal) -> Value {
    let given = refusal.code.as_deref();
    let (kind, code) = match (refusal.status, given) {
        (_, Some(code @ ("insufficient_quota" | "server_error"))) => (code, Some(code)),
        (401, code) => ("invalid_request_error", code.or(Some("invalid_api_key"))),
        (404, code) => ("invalid_request_error", code),
        (429, Some("tokens")) => ("tokens", Some("rate_limit_exceeded")),
        (429, Some("credit_balance_exhausted")) => ("insufficient_quota", given),
        (429, Some("slow_down")) => ("rate_limit_error", given),
        (429, code) => ("requests", code.or(Some("rate_limit_exceeded"))),
        (503 | 529, code) => ("server_error", code.or(Some("server_is_overloaded"))),
        (500.., code) => ("server_error", code),
        (_, code) => ("invalid_request_error", code),
    };
    json!({ "error": { "message": refusal.message, "type": kind, "param": refusal.param, "code": code } })
}

/// A refusal in the words of Azure's own gateway, for what never reaches the model.
pub(crate) fn azure(refusal: &Refusal) -> Value {
    match (refusal.status, refusal.code.as_deref()) {
        (401 | 429, _) => {
            json!({ "error": { "code": refusal.status.to_string(), "message": refusal.message } })
        }
        (400, Some("content_filter")) => json!({ "error": {
            "message": refusal.message, "type": null, "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": { "violence": { "filtered": true, "severity": "medium" } },
            },
        } }),
        _ => error(refusal),
    }
}

/// The fields of an answer's head.
pub(crate) fn headers(headers: &mut HeaderMap, number: u64, azure: bool) {
    let id = format!("req_{number:016x}");
    let left = 10_000 - 1 - number % 9_000;
    let fields = [
        ("x-request-id", id.clone()),
        ("openai-processing-ms", "12".into()),
        ("openai-version", "2020-10-01".into()),
        ("x-ratelimit-limit-requests", "10000".into()),
        ("x-ratelimit-limit-tokens", "2000000".into()),
        ("x-ratelimit-remaining-requests", left.to_string()),
        ("x-ratelimit-remaining-tokens", (left * 200).to_string()),
        ("x-ratelimit-reset-requests", "6ms".into()),
        ("x-ratelimit-reset-tokens", "1m12.5s".into()),
    ];
    let other = [("apim-request-id", id), ("x-ms-region", "Simulated".into())];
    let other = other.into_iter().filter(|_| azure);
    for (name, value) in fields.into_iter().chain(other) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// The list of models.
pub(crate) fn models() -> Value {
    json!({ "object": "list", "data": crate::simulated::MODELS.map(model) })
}

/// One model.
pub(crate) fn model(id: &str) -> Value {
    json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "simulated" })
}
