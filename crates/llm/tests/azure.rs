//! Azure's dated form, over real sockets, before a provider that speaks it.
#![cfg(all(feature = "upstream", feature = "simulated"))]

use bytes::Bytes;
use http::{Request, header::HeaderMap};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_core::{
    PayloadLayer, Trail,
    fact::{Target, Usage},
};
use tollgate_llm::{
    Endpoint, InspectLayer, RenderLayer, Upstream,
    simulated::{Received, Simulated, Tokens},
};
use tower::{ServiceBuilder, ServiceExt};

/// What a caller gets, and what the provider was sent and billed.
struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
    usage: Option<Usage>,
    received: Option<Received>,
    billed: Option<Tokens>,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The data of the events in a stream.
    fn data(&self) -> Vec<Value> {
        let lines = self.text.lines();
        let data = lines.filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }
}

async fn send(path: &str, deployment: &str, key: &str, body: &Value) -> Told {
    let provider = Simulated::new()
        .key("azure-key")
        .pace(std::time::Duration::ZERO);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(provider.clone().serve(listener));
    let endpoint = Endpoint::new("azure", &url).unwrap().azure("2024-10-21");
    let service = ServiceBuilder::new()
        .layer(RenderLayer::new())
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .service(Upstream::new([endpoint.key(key.into()).unwrap()]));
    let trail = Trail::new();
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", "Bearer tg-clients-own")
        .extension(trail.clone())
        .extension(Target::model("azure", deployment))
        .body(Full::<Bytes>::from(body.to_string()))
        .unwrap();

    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();

    Told {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
        usage: trail.get(),
        received: provider.requests().pop(),
        billed: provider.bill().requests.pop().map(|it| it.tokens),
    }
}

fn chat(more: &Value) -> Value {
    let mut body = json!({ "model": "fast", "messages": [{ "role": "user", "content": "hello" }] });
    let fields = body.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    body
}

const DEPLOYMENT: &str = "my deployment/1";
const PATH: &str = "/openai/deployments/my%20deployment%2F1";

#[tokio::test]
async fn the_deployment_stands_in_the_path_and_the_key_in_a_header_of_its_own() {
    let told = send(
        "/v1/chat/completions",
        DEPLOYMENT,
        "azure-key",
        &chat(&json!({})),
    )
    .await;

    assert_eq!(told.status, 200, "{}", told.text);
    let received = told.received.as_ref().unwrap();
    assert_eq!(
        received.path,
        format!("{PATH}/chat/completions?api-version=2024-10-21")
    );
    assert!(received.headers.contains_key("api-key"));
    assert!(!received.headers.contains_key("authorization"));
    let answer = told.json();
    assert!(
        answer["prompt_filter_results"].is_array(),
        "it passes as it is"
    );
    assert_eq!(answer["model"], "my deployment/1-2026-08-01");
    let (usage, billed) = (told.usage.unwrap(), told.billed.unwrap());
    assert_eq!(usage.output, billed.output);
    assert!(!usage.estimated && told.headers.contains_key("x-upstream-request-id"));
}

#[tokio::test]
async fn a_stream_begins_with_a_chunk_without_choices_and_is_metered() {
    for asked in [false, true] {
        let mut more = json!({ "stream": true });
        if asked {
            more["stream_options"] = json!({ "include_usage": true });
        }

        let told = send("/v1/chat/completions", "d", "azure-key", &chat(&more)).await;

        let chunks = told.data();
        assert_eq!(chunks[0]["choices"], json!([]));
        assert!(chunks[0]["prompt_filter_results"].is_array());
        let last = chunks.last().unwrap();
        assert_eq!(last["usage"].is_object(), asked);
        assert!(told.text.ends_with("data: [DONE]\n\n"));
        let (usage, billed) = (told.usage.unwrap(), told.billed.unwrap());
        assert_eq!((usage.output, usage.estimated), (billed.output, false));
    }
}

#[tokio::test]
async fn embeddings_go_to_their_deployment() {
    let body = json!({ "model": "vectors", "input": ["a", "b"] });

    let told = send("/v1/embeddings", "d", "azure-key", &body).await;

    let received = told.received.as_ref().unwrap();
    assert_eq!(
        received.path,
        "/openai/deployments/d/embeddings?api-version=2024-10-21"
    );
    assert_eq!(told.json()["data"].as_array().unwrap().len(), 2);
    assert!(told.usage.unwrap().input > 0);
}

#[tokio::test]
async fn anthropics_callers_are_served_too() {
    for stream in [false, true] {
        let body = json!({
            "model": "fast", "max_tokens": 100, "stream": stream,
            "messages": [{ "role": "user", "content": "hello" }],
        });

        let told = send("/v1/messages", "d", "azure-key", &body).await;

        let received = told.received.as_ref().unwrap();
        assert_eq!(
            received.path,
            "/openai/deployments/d/chat/completions?api-version=2024-10-21"
        );
        let text = if stream {
            let events = told.data();
            assert_eq!(events[0]["type"], "message_start");
            assert_eq!(events.last().unwrap()["type"], "message_stop");
            let texts = events.iter().filter_map(|it| it["delta"]["text"].as_str());
            texts.collect::<String>()
        } else {
            let answer = told.json();
            assert_eq!(answer["stop_reason"], "end_turn");
            answer["content"][0]["text"].as_str().unwrap().to_owned()
        };
        assert!(text.contains("hello"), "{text}");
        let (usage, billed) = (told.usage.unwrap(), told.billed.unwrap());
        assert_eq!((usage.output, usage.estimated), (billed.output, false));
    }
}

#[tokio::test]
async fn what_azure_refuses_is_told_in_the_callers_words() {
    let body = json!({
        "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hello" }],
    });
    let refused = send("/v1/messages", "sim-error-429", "azure-key", &body).await;
    let unknown = send("/v1/messages", "d", "another-key", &body).await;

    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(unknown.status, 502, "{}", unknown.text);
    assert!(unknown.text.contains("upstream_unauthorized"));
}
