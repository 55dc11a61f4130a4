use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::simulated::{MODELS, refusal::Refusal};

/// A refusal in Google's words.
pub(crate) fn error(refusal: &Refusal) -> Value {
    let given = refusal
        .code
        .as_deref()
        .filter(|it| it.bytes().all(|it| it.is_ascii_uppercase() || it == b'_'));
    let status = given.unwrap_or(match refusal.status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "UNKNOWN",
    });
    let mut refusal = refusal.clone();
    if refusal.status == 429 {
        let violation = json!({
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "10",
        });
        refusal = refusal.detail("QuotaFailure", json!({ "violations": [violation] }));
    }
    if let Some(seconds) = refusal.retry_after {
        refusal = refusal.detail("RetryInfo", json!({ "retryDelay": format!("{seconds}s") }));
    }
    let mut error = json!({ "code": refusal.status, "message": refusal.message, "status": status });
    if !refusal.details.is_empty() {
        error["details"] = json!(refusal.details);
    }
    json!({ "error": error })
}

pub(crate) fn no_key() -> Refusal {
    let message = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.";
    Refusal::new(403, message)
}

pub(crate) fn wrong_key() -> Refusal {
    let detail = json!({
        "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": { "service": "generativelanguage.googleapis.com" },
    });
    Refusal::bad("API key not valid. Please pass a valid API key.").detail("ErrorInfo", detail)
}

/// The fields of an answer's head: Google names neither limits nor the request there.
pub(crate) fn headers(headers: &mut HeaderMap) {
    headers.insert("server-timing", HeaderValue::from_static("gfet4t7; dur=12"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
}

/// The list of models.
pub(crate) fn models() -> Value {
    json!({ "models": MODELS.map(model) })
}

/// One model.
pub(crate) fn model(id: &str) -> Value {
    let methods = match id.contains("embed") {
        true => json!(["embedContent", "batchEmbedContents", "countTokens"]),
        false => json!(["generateContent", "streamGenerateContent", "countTokens"]),
    };
    json!({
        "name": format!("models/{id}"), "baseModelId": id, "version": "001", "displayName": id,
        "description": "A simulated model", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
    })
}
