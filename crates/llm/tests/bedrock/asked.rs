use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tollgate_core::fact::{Dispatch, Usage};
use tollgate_llm::{AwsCredentials, Endpoint, EndpointError};

use super::{
    provider::{chat, json_answer, messages, post, send, signed, stream},
    server::server,
    signature::{ID, REGION, SECRET, verify},
};

fn message() -> Value {
    json!({
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
        "content": [{ "type": "text", "text": "hi" }], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": { "input_tokens": 11, "output_tokens": 7 },
    })
}

const PATH: &str = "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-haiku-4-5-v1%3A0";

#[tokio::test]
async fn a_message_goes_on_as_it_is_but_for_what_the_path_says() {
    let (url, seen) = server(|| json_answer(200, "", &message())).await;
    let body = r#"{ "model":"claude", "max_tokens": 1e1, "messages":[{"role":"user", "content":"\u00e9"}]}"#;
    let request = Request::post("/v1/messages?beta=true")
        .header("content-type", "application/json; charset=utf-8")
        .header("accept", "application/json")
        .header("authorization", "Bearer tg-clients-own")
        .header("x-api-key", "tg-clients-own")
        .header("x-amz-date", "tg-clients-own")
        .header("x-amz-security-token", "tg-clients-own")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "one, two")
        .header("traceparent", "00-1-1-00")
        .body(Full::from(body))
        .unwrap();

    let told = send(signed(&url), request).await;

    assert_eq!((told.head.status.as_u16(), told.json()), (200, message()));
    assert_eq!(told.head.headers["x-upstream-request-id"], "aws-1");
    let used = told.trail.get::<Usage>().unwrap();
    assert_eq!((used.input, used.output, used.estimated), (11, 7, false));
    let (parts, sent) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(
        sent,
        r#"{"max_tokens":1e1,"messages":[{"role":"user", "content":"\u00e9"}],"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["one","two"]}"#
    );
    assert_eq!(parts.uri, *format!("{PATH}/invoke"));
    assert_eq!(
        verify(&parts, &sent),
        ["content-type", "host", "x-amz-date"]
    );
    assert_eq!(parts.headers["traceparent"], "00-1-1-00");
    assert!(!parts.headers.contains_key("anthropic-version"));
    assert!(!format!("{:?}", parts.headers).contains("clients-own"));
}

#[tokio::test]
async fn each_request_has_a_signature_of_its_own() {
    let (url, seen) = server(|| stream(&[], 1)).await;
    let endpoint = signed(&url);
    for request in [messages(true), chat(true), messages(false), chat(false)] {
        send(endpoint.clone(), request).await;
    }

    let seen = seen.lock().unwrap();
    let ways = ["invoke-with-response-stream", "invoke"].map(|way| format!("{PATH}/{way}"));
    for ((parts, sent), way) in seen.iter().zip([&ways[0], &ways[0], &ways[1], &ways[1]]) {
        verify(parts, sent);
        assert_eq!(parts.uri, **way);
        let sent: Value = serde_json::from_slice(sent).unwrap();
        assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
        assert!(sent.get("model").is_none() && sent.get("stream").is_none());
    }
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_temporary_keys_token_is_signed_too() {
    let (url, seen) = server(|| json_answer(200, "", &message())).await;
    let credentials = AwsCredentials::new(ID, SECRET.into()).session_token("token+/=".into());
    let endpoint = Endpoint::new("aws", &format!("{url}/proxy/"))
        .unwrap()
        .bedrock();
    let endpoint = endpoint.aws_credentials(REGION, &credentials).unwrap();

    send(endpoint, messages(false)).await;

    let (parts, sent) = seen.lock().unwrap().pop().unwrap();
    let signed = verify(&parts, &sent);
    assert_eq!(parts.headers["x-amz-security-token"], "token+/=");
    assert!(signed.contains(&"x-amz-security-token".to_owned()));
    assert_eq!(parts.uri, *format!("/proxy{PATH}/invoke"));
}

#[tokio::test]
async fn a_key_of_bedrocks_own_needs_no_signature() {
    let (url, seen) = server(|| json_answer(200, "", &message())).await;
    let endpoint = Endpoint::new("aws", &url).unwrap().bedrock();

    send(endpoint.key("bedrock-key".into()).unwrap(), messages(false)).await;

    let (parts, _) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(parts.headers["authorization"], "Bearer bedrock-key");
    assert!(!parts.headers.contains_key("x-amz-date"));
    assert!(!parts.headers.contains_key("x-api-key"));
}

#[tokio::test]
async fn another_dialects_caller_gets_the_answer_in_its_own() {
    let (url, seen) = server(|| json_answer(200, "", &message())).await;

    let told = send(signed(&url), chat(false)).await;

    let answer = told.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "hi");
    assert_eq!(answer["usage"]["total_tokens"], 18);
    let (parts, sent) = seen.lock().unwrap().pop().unwrap();
    verify(&parts, &sent);
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["max_tokens"], 4096);
    assert_eq!(sent["messages"][0]["role"], "user");
}

#[tokio::test]
async fn tokens_are_counted_without_a_call() {
    let (url, seen) = server(|| json_answer(500, "", &json!({}))).await;
    let body = json!({ "model": "claude", "messages": [{ "role": "user", "content": "hello" }] });

    let told = send(signed(&url), post("/v1/messages/count_tokens", &body)).await;

    assert!(told.json()["input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(told.head.headers["x-tollgate-estimated"], "true");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_has_no_form_there_is_not_sent() {
    let (url, seen) = server(|| json_answer(500, "", &json!({}))).await;
    let models = Request::get("/v1/models").body(Full::default()).unwrap();
    let embeddings = post("/v1/embeddings", &json!({ "model": "m", "input": "a" }));
    for (request, status) in [(models, 502), (embeddings, 400)] {
        let told = send(signed(&url), request).await;
        assert_eq!(told.head.status, status, "{}", told.text);
        assert_eq!(told.trail.get::<Dispatch>(), Some(Dispatch::No));
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn credentials_are_not_shown_and_must_fit_a_header() {
    let credentials = AwsCredentials::new("canary", "canary".into()).session_token("canary".into());
    let endpoint = Endpoint::new("aws", "https://localhost").unwrap().bedrock();
    let good = endpoint.clone().aws_credentials("eu-west-1", &credentials);
    assert!(!format!("{credentials:?} {:?}", good.unwrap()).contains("canary"));

    let broken = [
        ("eu-west-1", AwsCredentials::new("a\n", "s".into())),
        ("eu-west-1", AwsCredentials::new("ä", "s".into())),
        (
            "eu-west-1",
            AwsCredentials::new("a", "s".into()).session_token("\n".into()),
        ),
        ("eu west", AwsCredentials::new("a", "s".into())),
    ];
    for (region, credentials) in broken {
        let refused = endpoint.clone().aws_credentials(region, &credentials);
        assert!(matches!(refused, Err(EndpointError::Secret)));
    }
}
