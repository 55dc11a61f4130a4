use serde_json::json;
use tollgate_core::fact::{Failure, Usage};

use super::{
    provider::{chat, json_answer, messages, send, signed},
    server::server,
};

#[tokio::test]
async fn an_error_is_told_in_the_callers_words() {
    for (status, name, anthropic, openai) in [
        (429, "ThrottlingException", (429, "rate_limit_error"), 429),
        (
            400,
            "ValidationException",
            (400, "invalid_request_error"),
            400,
        ),
        (424, "ModelStreamErrorException", (500, "api_error"), 502),
        (
            503,
            "ServiceUnavailableException",
            (529, "overloaded_error"),
            503,
        ),
        (408, "ModelTimeoutException", (504, "timeout_error"), 504),
        (
            404,
            "ResourceNotFoundException",
            (404, "not_found_error"),
            404,
        ),
    ] {
        let said = json!({ "message": "said by AWS" });
        let (url, _) = server(move || json_answer(status, name, &said)).await;

        let told = send(signed(&url), messages(false)).await;
        let error = told.json();
        let kind = error["error"]["type"].as_str().unwrap();
        assert_eq!((told.head.status.as_u16(), kind), anthropic, "{name}");
        assert_eq!(error["error"]["message"], "said by AWS");
        // A model that was too slow has been at work.
        let usage = told.trail.get::<Usage>().unwrap();
        assert_eq!(usage == Usage::default(), status != 408, "{name}");

        // Errors come before the head of a stream too.
        let told = send(signed(&url), chat(true)).await;
        assert_eq!(told.head.status.as_u16(), openai, "{name}");
        assert_eq!(told.json()["error"]["message"], "said by AWS");
    }
}

#[tokio::test]
async fn a_refused_credential_is_the_gateways_matter_and_names_no_account() {
    for (status, name) in [
        (403, "UnrecognizedClientException"),
        (403, "InvalidSignatureException"),
        (403, "AccessDeniedException"),
        (400, "ExpiredTokenException"),
        (401, ""),
    ] {
        let said = json!({ "message": "arn:aws:iam::123456789012:user/x may not" });
        let (url, _) = server(move || json_answer(status, name, &said)).await;
        for request in [messages(true), chat(false)] {
            let told = send(signed(&url), request).await;

            assert_eq!(told.head.status.as_u16(), 502, "{name}");
            assert!(told.text.contains("upstream_unauthorized"), "{}", told.text);
            assert!(!told.text.contains("123456789012"));
            assert_eq!(
                told.trail.get::<Failure>().unwrap().code,
                "upstream_unauthorized"
            );
        }
    }
}
