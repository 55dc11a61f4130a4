mod wait;

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::{
    canon::{Fault, Kind},
    halves,
};

/// Reads the error of a provider's answer, also of compatible servers, and of proxies on the way.
pub(crate) fn read_error(status: StatusCode, body: &[u8]) -> Fault {
    match halves::read::<Value>(body) {
        Some(value) => fault(&value, Some(status)),
        None => {
            let message = plain(body).map(str::to_owned);
            finish(Error::default(), message, Some(status))
        }
    }
}

/// The error that a chunk or an answer is or holds, if it does.
pub(crate) fn in_stream(value: &Value) -> Option<Fault> {
    let holds = match &value["error"] {
        Value::Object(_) => true,
        Value::String(text) => !text.is_empty(),
        _ => value["object"] == "error",
    };
    holds.then(|| fault(value, None))
}

/// What a provider sends is not what it should be.
pub(crate) fn invalid() -> Fault {
    Fault {
        kind: Kind::Internal,
        code: "answer_invalid".to_owned(),
        message: "the provider's answer is not what it should be".to_owned(),
        param: None,
        retry_after: None,
    }
}

/// What is said by codes and types.
#[derive(Default)]
struct Error<'a> {
    code: &'a str,
    kind: &'a str,
    param: Option<&'a str>,
    /// Some servers write the status as the code.
    status: Option<StatusCode>,
    wait: Option<Duration>,
}

fn fault(value: &Value, status: Option<StatusCode>) -> Fault {
    let value = match value {
        Value::Array(list) => list.first().unwrap_or(&Value::Null), // Google's, behind its OpenAI front.
        value => value,
    };
    let inner = match &value["error"] {
        inner @ Value::Object(_) => inner,
        _ => value,
    };
    let text = |name: &str| inner[name].as_str().filter(|text| !text.is_empty());
    let number = |name: &str| {
        let number = inner[name].as_u64()?;
        StatusCode::from_u16(u16::try_from(number).ok()?).ok()
    };
    let error = Error {
        code: text("code").unwrap_or_default(),
        kind: text("type").or_else(|| text("status")).unwrap_or_default(),
        param: text("param"),
        status: number("code").or_else(|| number("statusCode")),
        wait: wait::in_details(&inner["details"]),
    };
    let message = text("message")
        .or_else(|| value["error"].as_str())
        .or_else(|| inner["detail"].as_str())
        .or_else(|| inner["detail"][0]["msg"].as_str())
        .or_else(|| inner["message"]["detail"][0]["msg"].as_str());
    finish(error, message.map(cut), status)
}

fn finish(error: Error<'_>, message: Option<String>, status: Option<StatusCode>) -> Fault {
    // In a stream the status says nothing.
    let status = status
        .filter(|status| !status.is_success())
        .or(error.status);
    let message = message.unwrap_or_else(|| match status {
        Some(status) => format!("the provider answered with status {}", status.as_u16()),
        None => "the provider failed".to_owned(),
    });
    let kind = kind(&error, &message, status);
    Fault {
        kind,
        code: error.code.to_owned(),
        retry_after: error.wait.or_else(|| wait::in_words(&message)),
        message: match kind {
            // It can show a part of the gateway's key.
            Kind::Authentication => UNAUTHORIZED.to_owned(),
            _ => message,
        },
        param: error.param.map(str::to_owned),
    }
}

/// The code tells most, then the status, then the type.
fn kind(error: &Error<'_>, message: &str, status: Option<StatusCode>) -> Kind {
    match error.code {
        "context_length_exceeded" => return Kind::ContextLength,
        "content_filter" | "content_policy_violation" => return Kind::ContentFilter,
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "billing_hard_limit_reached"
        | "billing_not_active" => return Kind::QuotaExhausted,
        "rate_limit_exceeded" | "slow_down" => return Kind::RateLimited,
        "invalid_api_key" => return Kind::Authentication,
        "model_not_found" => return Kind::NotFound,
        "server_is_overloaded" => return Kind::Overloaded,
        code if code.ends_with("spend_limit_exceeded") => return Kind::QuotaExhausted,
        _ => {}
    }
    match status.map(|status| status.as_u16()) {
        // Compatible servers say it in words only.
        Some(400 | 422) if CONTEXT.iter().any(|words| message.contains(words)) => {
            Kind::ContextLength
        }
        Some(401 | 407) => Kind::Authentication,
        Some(402) => Kind::QuotaExhausted,
        Some(403) => Kind::Permission,
        Some(404) => Kind::NotFound,
        Some(408 | 504) => Kind::Timeout,
        Some(413) => Kind::TooLarge,
        Some(429) if error.kind == "insufficient_quota" => Kind::QuotaExhausted,
        Some(429) => Kind::RateLimited,
        Some(498 | 503 | 529) => Kind::Overloaded,
        Some(400..500) => Kind::InvalidRequest,
        Some(_) => Kind::Internal,
        None => match error.kind {
            "invalid_request_error" | "BadRequestError" => Kind::InvalidRequest,
            "rate_limit_error" | "rate_limit_exceeded" => Kind::RateLimited,
            "insufficient_quota" => Kind::QuotaExhausted,
            "overloaded_error" | "service_unavailable" => Kind::Overloaded,
            _ => Kind::Internal,
        },
    }
}

/// A short text that is meant for people, and not a proxy's page.
fn plain(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let fits = (1..=300).contains(&text.len());
    (fits && !text.starts_with('<') && !text.contains(char::is_control)).then_some(text)
}

fn cut(message: &str) -> String {
    message.chars().take(LONGEST).collect()
}

const UNAUTHORIZED: &str = "the provider does not accept the gateway's credential";
const CONTEXT: [&str; 3] = ["context length", "context window", "context size"];
/// Some repeat the whole request.
const LONGEST: usize = 2000;

#[cfg(test)]
mod tests;
