use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    response,
};
use serde::Deserialize;

use crate::{
    anthropic,
    canon::{Fault, Kind},
};

/// Puts what AWS says went wrong into Anthropic's words. What is not AWS' own, such as a proxy's page on the way, stays
/// as it is.
pub(crate) fn unwrap_error(head: &mut response::Parts, answer: Bytes) -> Bytes {
    let said = Said::read(&answer);
    let named = kind(&head.headers);
    if named.is_empty() && said.message.is_empty() {
        return answer;
    }
    let (status, body) = anthropic::write_fault(&fault(named, Some(head.status), &said));
    head.status = status;
    head.headers.remove(CONTENT_LENGTH);
    let json = HeaderValue::from_static("application/json");
    head.headers.insert(CONTENT_TYPE, json);
    body
}

/// What AWS says of an error, beside its name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    #[serde(alias = "Message")]
    message: String,
}

impl Said {
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    pub(super) fn of(message: &str) -> Self {
        Self {
            message: message.to_owned(),
        }
    }
}

/// An error by its name, which begins with a small letter in streams and a capital elsewhere.
pub(super) fn fault(named: &str, status: Option<StatusCode>, said: &Said) -> Fault {
    let message: String = match &*said.message {
        "" => "the provider failed without a word".to_owned(),
        message => message.chars().take(4096).collect(),
    };
    let kind = match status.map_or(0, |status| status.as_u16()) {
        // Of the gateway's own account, with its name in it.
        401 | 403 => Kind::Authentication,
        status => by_name(named, &message).unwrap_or_else(|| by_status(status)),
    };
    Fault {
        kind,
        code: named.chars().take(64).collect(),
        message,
        param: None,
        retry_after: None,
    }
}

/// The name of an error, without the address that may stand behind it.
fn kind(headers: &HeaderMap) -> &str {
    let named = headers.get(ERROR_TYPE).and_then(|it| it.to_str().ok());
    let named = named.unwrap_or_default();
    named.split(':').next().unwrap_or_default().trim()
}

fn by_name(named: &str, message: &str) -> Option<Kind> {
    let named = named.strip_suffix("Exception").unwrap_or(named);
    let mut kinds = KINDS.iter();
    let (_, kind) = kinds.find(|(name, _)| name.eq_ignore_ascii_case(named))?;
    let is_long = TOO_LONG.iter().any(|words| message.contains(words));
    Some(match kind {
        Kind::InvalidRequest if is_long => Kind::ContextLength,
        kind => *kind,
    })
}

const fn by_status(status: u16) -> Kind {
    match status {
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 => Kind::RateLimited,
        503 => Kind::Overloaded,
        424 => Kind::Internal,
        400..500 => Kind::InvalidRequest,
        _ => Kind::Internal,
    }
}

/// Errors by their names, without `Exception` at the end. Some are refusals of the gateway's credential, whatever their
/// status.
const KINDS: [(&str, Kind); 19] = [
    ("Throttling", Kind::RateLimited),
    ("TooManyRequests", Kind::RateLimited),
    ("ServiceQuotaExceeded", Kind::RateLimited),
    ("Validation", Kind::InvalidRequest),
    ("ServiceUnavailable", Kind::Overloaded),
    ("ModelNotReady", Kind::Overloaded),
    ("ModelTimeout", Kind::Timeout),
    ("ModelError", Kind::Internal),
    ("ModelStreamError", Kind::Internal),
    ("InternalServer", Kind::Internal),
    ("ResourceNotFound", Kind::NotFound),
    ("AccessDenied", Kind::Authentication),
    ("ExpiredToken", Kind::Authentication),
    ("IncompleteSignature", Kind::Authentication),
    ("InvalidClientTokenId", Kind::Authentication),
    ("InvalidSignature", Kind::Authentication),
    ("MissingAuthenticationToken", Kind::Authentication),
    ("SignatureDoesNotMatch", Kind::Authentication),
    ("UnrecognizedClient", Kind::Authentication),
];
const TOO_LONG: [&str; 3] = ["too long", "context window", "context limit"];
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

#[cfg(test)]
mod tests {
    use http::{Response, StatusCode};
    use serde_json::{Value, json};

    use super::unwrap_error;

    fn told(status: u16, named: &str, body: &str) -> (StatusCode, String) {
        let response = Response::builder()
            .status(status)
            .header("x-amzn-errortype", named);
        let (mut head, ()) = response.body(()).unwrap().into_parts();
        let body = unwrap_error(&mut head, body.to_owned().into());
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let kind = body["error"]["type"].as_str().unwrap_or_default();
        (head.status, kind.to_owned())
    }

    #[test]
    fn an_error_is_known_by_its_name_then_by_its_status() {
        let body = r#"{"message":"no"}"#;
        for (status, named, body, told_status, kind) in [
            (429, "ThrottlingException", body, 429, "rate_limit_error"),
            (
                400,
                "ServiceQuotaExceededException",
                body,
                429,
                "rate_limit_error",
            ),
            (
                429,
                "ModelNotReadyException:http://internal/",
                body,
                529,
                "overloaded_error",
            ),
            (
                400,
                "ValidationException",
                body,
                400,
                "invalid_request_error",
            ),
            (
                404,
                "ResourceNotFoundException",
                body,
                404,
                "not_found_error",
            ),
            (408, "ModelTimeoutException", body, 504, "timeout_error"),
            (424, "ModelStreamErrorException", body, 500, "api_error"),
            (424, "ModelErrorException", body, 500, "api_error"),
            (500, "InternalServerException", "", 500, "api_error"),
            (
                503,
                "ServiceUnavailableException",
                body,
                529,
                "overloaded_error",
            ),
            (
                400,
                "UnrecognizedClientException",
                body,
                401,
                "authentication_error",
            ),
            (
                403,
                "AccessDeniedException",
                body,
                401,
                "authentication_error",
            ),
            (403, "", body, 401, "authentication_error"),
            (429, "", r#"{"Message":"no"}"#, 429, "rate_limit_error"),
            (418, "NewException", body, 400, "invalid_request_error"),
        ] {
            let expected = (StatusCode::from_u16(told_status).unwrap(), kind.to_owned());
            assert_eq!(told(status, named, body), expected, "{status} {named}");
        }
    }

    #[test]
    fn a_conversation_that_is_too_long_is_told_in_words_that_agents_know() {
        let response = Response::builder().header("x-amzn-errortype", "ValidationException");
        let (mut head, ()) = response.status(400).body(()).unwrap().into_parts();
        let said = r#"{"message":"Input is too long for requested model."}"#;
        let body = unwrap_error(&mut head, said.into());
        assert!(body.windows(18).any(|it| it == b"prompt is too long"));
    }

    #[test]
    fn a_page_of_another_server_stays_as_it_is() {
        let (mut head, ()) = Response::builder()
            .status(502)
            .header("content-type", "text/html")
            .body(())
            .unwrap()
            .into_parts();
        let body = unwrap_error(&mut head, "<html>".into());
        assert_eq!((head.status.as_u16(), &body[..]), (502, &b"<html>"[..]));
        assert_eq!(head.headers["content-type"], "text/html");
    }

    #[test]
    fn what_aws_calls_it_is_told_beside() {
        let (mut head, ()) = Response::builder()
            .status(400)
            .header("x-amzn-errortype", "ValidationException")
            .body(())
            .unwrap()
            .into_parts();
        let body = unwrap_error(&mut head, r#"{"message":"no such field"}"#.into());
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body["error"],
            json!({
                "type": "invalid_request_error",
                "message": "no such field",
                "details": { "error_code": "ValidationException" },
            })
        );
    }
}
