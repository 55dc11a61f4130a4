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
        wait: retry_delay(&inner["details"]),
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
        retry_after: error.wait.or_else(|| wait_in(&message)),
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

/// Google's, in a list of details: `"retryDelay": "34.4s"`.
fn retry_delay(details: &Value) -> Option<Duration> {
    let details = details.as_array()?.iter();
    let mut delays = details.filter_map(|detail| detail["retryDelay"].as_str());
    duration(delays.next()?)
}

/// A wait that is only said in words, such as `Please try again in 6m0s` or `retry after 20 seconds`.
fn wait_in(message: &str) -> Option<Duration> {
    let rest = WAITS
        .iter()
        .find_map(|words| Some(message.split_once(words)?.1))?;
    let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '.');
    let word = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
    match word.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => duration(word),
    }
}

/// A duration as Go writes it: `120ms`, `1.5s`, `6m0s`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, more) = rest.split_at(rest.find(|it: char| it.is_ascii_alphabetic())?);
        let end = more.find(|it: char| !it.is_ascii_alphabetic());
        let (unit, more) = more.split_at(end.unwrap_or(more.len()));
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = more;
    }
    (!text.is_empty()).then_some(total)
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
const WAITS: [&str; 3] = ["try again in ", "retry after ", "retry in "];
/// Some repeat the whole request.
const LONGEST: usize = 2000;

#[cfg(test)]
mod tests {
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
}
