//! How much a provider is told to give, and what is known of what it did, over real sockets.
#![cfg(feature = "upstream")]

#[path = "support/server.rs"]
mod server;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};
use tollgate_core::{
    PayloadLayer, Rejection, Trail,
    fact::{Allowance, Dispatch, Failure, Target, Usage},
};
use tollgate_llm::{Dialect, Endpoint, InspectLayer, RenderLayer, Upstream};
use tower::{ServiceBuilder, ServiceExt};

use self::server::{Seen, server};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// A provider that answers with this, and writes down what it was sent.
async fn provider(status: u16, kind: &'static str, body: &'static str) -> (String, Seen) {
    let (url, seen) = server(move || {
        let response = Response::builder()
            .status(status)
            .header("content-type", kind);
        response.body(Body::from(body)).unwrap()
    })
    .await;
    (format!("{url}/v1"), seen)
}

/// What it was sent last.
fn sent(seen: &Seen) -> Value {
    let (_, body) = seen.lock().unwrap().pop().unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn request(path: &str, trail: &Trail, allowed: Option<u64>, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::post(path)
        .extension(trail.clone())
        .extension(Target::model("p", "m"));
    if let Some(output) = allowed {
        request = request.extension(Allowance { output });
    }
    request.body(Full::from(body.to_string())).unwrap()
}

async fn answer(endpoint: Endpoint, request: Request<Full<Bytes>>) -> Response<()> {
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .service(Upstream::new([endpoint]));
    service.oneshot(request).await.unwrap().map(drop)
}

#[tokio::test]
async fn an_allowance_is_sent_as_the_providers_own_maximum() {
    for (path, speaks, asked, field) in [
        (CHAT, Dialect::OpenAi, json!({}), "max_completion_tokens"),
        (
            CHAT,
            Dialect::OpenAi,
            json!({ "max_tokens": 50 }),
            "max_tokens",
        ),
        (CHAT, Dialect::Anthropic, json!({}), "max_tokens"),
        (
            CHAT,
            Dialect::Anthropic,
            json!({ "max_tokens": 50 }),
            "max_tokens",
        ),
        (
            MESSAGES,
            Dialect::Anthropic,
            json!({ "max_tokens": 50 }),
            "max_tokens",
        ),
        (
            MESSAGES,
            Dialect::OpenAi,
            json!({ "max_tokens": 50 }),
            "max_completion_tokens",
        ),
    ] {
        let (url, seen) = provider(400, "application/json", "{}").await;
        let endpoint = Endpoint::new("p", &url).unwrap().dialect(speaks);
        let mut body = asked;
        body["model"] = "m".into();
        body["messages"] = json!([{ "role": "user", "content": "hi" }]);

        answer(endpoint, request(path, &Trail::new(), Some(9), &body)).await;

        let sent = sent(&seen);
        assert_eq!(sent[field], 9, "{path} {speaks:?}: {sent}");
    }
    let (url, seen) = provider(400, "application/json", "{}").await;
    let endpoint = Endpoint::new("p", &url).unwrap().dialect(Dialect::Gemini);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    answer(endpoint, request(CHAT, &Trail::new(), Some(9), &body)).await;
    let sent = sent(&seen);
    assert_eq!(sent["generationConfig"]["maxOutputTokens"], 9);
}

#[tokio::test]
async fn what_leaves_no_room_for_an_answer_is_refused_before_it_is_sent() {
    let (url, seen) = provider(400, "application/json", "{}").await;
    let endpoint = Endpoint::new("p", &url)
        .unwrap()
        .dialect(Dialect::Anthropic);
    let trail = Trail::new();
    let body = json!({ "model": "m", "max_tokens": 5000, "messages": [],
        "thinking": { "type": "enabled", "budget_tokens": 2000 } });

    let response = answer(endpoint, request(MESSAGES, &trail, Some(1500), &body)).await;

    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(
        (rejection.status().as_u16(), rejection.code()),
        (400, "allowance_too_small")
    );
    assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::No));
    assert!(seen.lock().unwrap().is_empty());
}

const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"two\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"three\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":3}}\n\n\
    data: [DONE]\n\n";

#[tokio::test]
async fn a_stream_is_cut_where_it_passes_what_is_allowed_and_nowhere_else() {
    for (allowed, choices, is_cut) in [
        (None, 1, false),
        (Some(3), 1, false),
        (Some(2), 1, true),
        (Some(2), 2, false),
    ] {
        let (url, _) = provider(200, "text/event-stream", STREAM).await;
        let trail = Trail::new();
        let body = json!({ "model": "m", "stream": true, "n": choices,
            "stream_options": { "include_usage": true } });
        let service = ServiceBuilder::new()
            .layer(RenderLayer::new())
            .layer(PayloadLayer::new())
            .layer(InspectLayer::new())
            .service(Upstream::new([Endpoint::new("p", &url).unwrap()]));

        let response = service
            .oneshot(request(CHAT, &trail, allowed, &body))
            .await
            .unwrap();
        let told = response.into_body().collect().await.unwrap().to_bytes();
        let told = std::str::from_utf8(&told).unwrap();

        let usage = trail.get::<Usage>().unwrap();
        assert_eq!(usage.estimated, is_cut, "{allowed:?} {choices}");
        if is_cut {
            assert!(told.contains("two") && !told.contains("three"), "{told}");
            assert!(told.contains(r#""code":"allowance_exceeded""#), "{told}");
            assert_eq!(trail.get::<Failure>().unwrap().code, "allowance_exceeded");
        } else {
            assert_eq!(told, STREAM);
            assert!(trail.get::<Failure>().is_none());
        }
    }
}

#[tokio::test]
async fn an_error_is_free_only_if_it_is_the_providers_own_word() {
    const JSON: &str = "application/json";
    const ERROR: &str = r#"{"error":{"message":"no"}}"#;
    for (status, kind, body, is_free) in [
        (400, JSON, ERROR, true),
        (404, "text/html", "<html>", true),
        (429, JSON, ERROR, true),
        (500, JSON, ERROR, true),
        (503, JSON, ERROR, true),
        (408, JSON, ERROR, false),
        (499, JSON, ERROR, false),
        (504, JSON, ERROR, false),
        (502, "text/html", "<html>", false),
        (524, "text/html", "<html>", false),
    ] {
        let (url, _) = provider(status, kind, body).await;
        let trail = Trail::new();
        let sent = json!({ "model": "m" });

        answer(
            Endpoint::new("p", &url).unwrap(),
            request(CHAT, &trail, None, &sent),
        )
        .await;

        let usage = trail.get::<Usage>().unwrap();
        assert_eq!(usage == Usage::default(), is_free, "{status} {kind}");
        assert_eq!(usage.estimated, !is_free, "{status} {kind}");
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::Yes));
    }
}

#[tokio::test]
async fn what_reaches_a_connection_is_dispatched_even_if_nobody_answers() {
    for http2 in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let endpoint = Endpoint::new("p", &url).unwrap().http2(http2);
        let trail = Trail::new();
        let request = request(CHAT, &trail, None, &json!({ "model": "m" }));
        let asking = tokio::spawn(answer(endpoint, request));

        let (mut socket, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        while !sent.windows(7).any(|window| window == b"\"model\"") {
            assert!(socket.read_buf(&mut sent).await.unwrap() > 0);
        }
        drop(socket);
        let response = asking.await.unwrap();

        assert_eq!(response.status(), 502);
        assert_eq!(
            trail.get::<Dispatch>(),
            Some(Dispatch::Yes),
            "HTTP/2: {http2}"
        );
        assert!(trail.get::<Usage>().unwrap().estimated);
    }
}
