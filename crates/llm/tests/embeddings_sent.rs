//! A batch of embeddings, sent to a provider over a real socket.
#![cfg(all(feature = "batch", feature = "upstream", feature = "simulated"))]

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_core::{
    BatchLayer, PayloadLayer, Trail,
    fact::{Dispatch, Principal, Target, Usage},
};
use tollgate_llm::{EmbeddingsBatch, Endpoint, InspectLayer, Upstream, simulated::Simulated};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::test]
async fn the_provider_is_asked_once_and_bills_what_the_callers_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let provider = Simulated::new().key("sk-own");
    let stats = provider.stats();
    tokio::spawn(provider.serve(listener));
    let endpoint = Endpoint::new("there", &url)
        .unwrap()
        .bearer("sk-own".into())
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .layer(BatchLayer::new(EmbeddingsBatch::new()).max_items(3)) // full with these, and then it does not wait
        .service(Upstream::new([endpoint]));
    let ask = |input: Value| {
        let trail = Trail::new();
        let body = json!({"model": "here", "input": input}).to_string();
        let request = Request::post("/v1/embeddings")
            .extension(Principal::new("key"))
            .extension(Target::model("there", "named-otherwise"))
            .extension(trail.clone())
            .body(Full::new(Bytes::from(body)));
        let answer = service.clone().oneshot(request.unwrap());
        async move {
            let body = answer
                .await
                .unwrap()
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes();
            (serde_json::from_slice::<Value>(&body).unwrap(), trail)
        }
    };

    let ((one, first), (two, second)) = tokio::join!(
        ask(json!("a text")),
        ask(json!(["another text", "and a third"]))
    );

    assert_eq!(one["data"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!(two["data"].as_array().unwrap().len(), 2, "{two}");
    assert_eq!(two["model"], "named-otherwise");
    let used = [first, second].map(|trail| {
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::Yes));
        trail.get::<Usage>().unwrap()
    });
    assert_eq!(json!(used[0].input), one["usage"]["prompt_tokens"]);
    assert_eq!(json!(used[1].input), two["usage"]["prompt_tokens"]);
    let billed = stats.read();
    assert_eq!(billed.requests, 1);
    assert_eq!(billed.input, used[0].input + used[1].input);
}
