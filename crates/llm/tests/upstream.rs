//! What is sent to a provider, and what comes back, over real sockets.
#![cfg(all(feature = "upstream", feature = "simulated"))]

#[path = "support/server.rs"]
mod server;

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use tollgate_core::{
    Payload, PayloadLayer, Rejection, Trail,
    fact::{Dispatch, Failure, Lifetime, Phase, Target, Usage},
};
use tollgate_llm::{
    Endpoint, InspectLayer, Upstream,
    simulated::{Simulated, Stats, Step},
};
use tower::{Layer, ServiceBuilder, ServiceExt};

use self::server::{Seen, server};

/// A provider that answers with this, and writes down what it was sent.
async fn provider(
    answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
) -> (String, Seen) {
    let (url, seen) = server(answer).await;
    (format!("{url}/v1"), seen)
}

async fn simulated(pace: Duration) -> (String, Stats) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let provider = Simulated::new().key("sk-own").pace(pace);
    let stats = provider.stats();
    tokio::spawn(provider.serve(listener));
    (url, stats)
}

fn json_answer(body: &'static str) -> Response<Body> {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}

fn events(pieces: &'static [&'static str]) -> Response<Body> {
    let body =
        Body::from_stream(futures_util::stream::iter(pieces.iter().map(|piece| {
            Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes()))
        })));
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(body)
        .unwrap()
}

/// Sends a request to the target `name` at an endpoint.
async fn send(
    url: &str,
    request: Request<Full<Bytes>>,
) -> Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + use<>> {
    let endpoint = Endpoint::new("p", url)
        .unwrap()
        .bearer("sk-own".into())
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .service(Upstream::new([endpoint]));
    service.oneshot(request).await.unwrap()
}

fn chat(trail: &Trail, model: &str, body: &Value) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .extension(trail.clone())
        .extension(Target::model("p", model))
        .body(Full::from(body.to_string()))
        .unwrap()
}

async fn text(
    response: Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_body_goes_on_byte_for_byte_with_the_endpoints_credential_and_not_the_clients() {
    let (url, seen) = provider(|| json_answer("{}")).await;
    let body = "{ \"unknown\": [1e3, \"\\u00e9\\ud83c\"],\n \"model\" :\"m\"} ";
    let request = Request::post("/v1/chat/completions?x=1")
        .extension(Target::model("p", "m"))
        .header("authorization", "Bearer tg-clients-own")
        .header("x-api-key", "tg-clients-own")
        .header("cookie", "tg-clients-own")
        .header("connection", "close, x-hop")
        .header("x-hop", "1")
        .header("x-other", "2")
        .body(Full::from(body))
        .unwrap();

    let response = send(&url, request).await;

    assert_eq!(response.status(), StatusCode::OK);
    let (parts, sent) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(sent, body);
    assert_eq!(parts.uri, "/v1/chat/completions?x=1");
    assert_eq!(parts.headers["authorization"], "Bearer sk-own");
    assert_eq!(parts.headers["x-other"], "2");
    assert!(!parts.headers.contains_key("x-hop"));
    assert!(!format!("{:?}", parts.headers).contains("clients-own"));
}

#[tokio::test]
async fn the_model_is_named_as_the_target_names_it() {
    let (url, seen) = provider(|| json_answer("{}")).await;
    let body = json!({ "model": "fast", "messages": [{ "role": "user", "content": "\"model\":\"fast\"" }] });

    send(&url, chat(&Trail::new(), "gpt-4o-mini", &body)).await;

    let sent: Value = serde_json::from_slice(&seen.lock().unwrap()[0].1).unwrap();
    assert_eq!(sent["model"], "gpt-4o-mini");
    assert_eq!(sent["messages"], body["messages"]);
}

#[tokio::test]
async fn a_body_that_was_changed_on_the_way_is_looked_at_again() {
    let (url, seen) = provider(|| json_answer("{}")).await;
    let endpoint = Endpoint::new("p", &url).unwrap();
    let redacting = tower::util::MapRequestLayer::new(|mut request: Request<Full<Bytes>>| {
        Payload::replace(
            &mut request,
            Bytes::from_static(br#"{"messages":["[redacted]"],"model":"fast"}"#),
        );
        request
    });
    let service = ServiceBuilder::new()
        .layer(PayloadLayer::new())
        .layer(InspectLayer::new())
        .layer(redacting)
        .service(Upstream::new([endpoint]));

    service
        .oneshot(chat(
            &Trail::new(),
            "m",
            &json!({ "model": "fast", "messages": [] }),
        ))
        .await
        .unwrap();

    assert_eq!(
        seen.lock().unwrap()[0].1,
        r#"{"messages":["[redacted]"],"model":"m"}"#
    );
}

#[tokio::test]
async fn streams_are_metered_and_the_extra_chunk_is_for_those_who_asked() {
    let (url, stats) = simulated(Duration::ZERO).await;
    for asked in [false, true] {
        let trail = Trail::new();
        let mut body = json!({ "model": "sim", "stream": true, "messages": [{ "role": "user", "content": "hello" }] });
        if asked {
            body["stream_options"] = json!({ "include_usage": true });
        }

        let before = stats.read();
        let text = text(send(&url, chat(&trail, "sim", &body)).await).await;

        assert_eq!(text.contains("\"prompt_tokens\""), asked);
        assert!(text.ends_with("data: [DONE]\n\n"));
        let (usage, after) = (trail.get::<Usage>().unwrap(), stats.read());
        assert_eq!(
            (usage.input, usage.output),
            (after.input - before.input, after.output - before.output)
        );
        assert!(!usage.estimated);
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::Yes));
    }
}

#[tokio::test]
async fn plain_answers_completions_and_embeddings_are_metered() {
    let (url, stats) = simulated(Duration::ZERO).await;
    let cases = [
        (
            "/v1/chat/completions",
            json!({ "model": "sim", "n": 2, "messages": [{ "role": "user", "content": "a" }] }),
        ),
        (
            "/v1/completions",
            json!({ "model": "sim", "prompt": "once upon a time" }),
        ),
        (
            "/v1/embeddings",
            json!({ "model": "sim", "input": ["a", "b"] }),
        ),
    ];
    for (path, body) in cases {
        let trail = Trail::new();
        let mut request = chat(&trail, "sim", &body);
        *request.uri_mut() = path.parse().unwrap();

        let before = stats.read();
        let response = send(&url, request).await;

        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let (usage, after) = (trail.get::<Usage>().unwrap(), stats.read());
        assert_eq!(
            (usage.input, usage.output),
            (after.input - before.input, after.output - before.output),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_missing_usage_is_estimated_and_flagged() {
    let (url, stats) = simulated(Duration::ZERO).await;
    for stream in [false, true] {
        let trail = Trail::new();
        let body = json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "hello" }] });

        let before = stats.read();
        text(send(&url, chat(&trail, "sim-no-usage", &body)).await).await;

        let usage = trail.get::<Usage>().unwrap();
        assert!(usage.estimated);
        assert!(usage.output >= stats.read().output - before.output);
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_request_and_its_usage_so_far_is_known() {
    let (url, stats) = simulated(Duration::from_millis(5)).await;
    let trail = Trail::new();
    let body = json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "tell me more" }] });

    let response = send(&url, chat(&trail, "sim", &body)).await;
    let mut body = Box::pin(response.into_body());
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);

    let usage = trail
        .get::<Usage>()
        .expect("it is written when the body is dropped");
    assert!(usage.estimated && usage.output >= 3);
    // The provider notices when it next writes: bounded by its own pace, not by ours.
    let cancelled = async {
        while stats.read().cancelled == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), cancelled)
        .await
        .expect("the provider is told");
    assert_eq!(stats.read().finished, 0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let trail = Trail::new();

    let response = send(&url, chat(&trail, "m", &json!({ "model": "m" }))).await;

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().code(),
        "connect_failed"
    );
    assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::No));
    assert_eq!(trail.get::<Usage>(), None);
    assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Connect);
}

#[tokio::test]
async fn what_is_no_answer_becomes_a_clear_error() {
    let html = |status: u16| {
        move || {
            let page = Response::builder()
                .status(status)
                .header("content-type", "text/html");
            page.header("retry-after", "7")
                .body(Body::from("<html>"))
                .unwrap()
        }
    };
    let cases = [
        (provider(html(200)).await.0, 502, "answer_invalid"),
        (provider(html(404)).await.0, 502, "upstream_error"),
        (provider(html(503)).await.0, 503, "upstream_error"),
        (
            provider(|| json_answer("{\"choices\":[")).await.0,
            502,
            "answer_invalid",
        ),
        (provider(|| json_answer("")).await.0, 502, "answer_invalid"),
    ];
    for (url, status, code) in cases {
        let trail = Trail::new();

        let response = send(&url, chat(&trail, "m", &json!({ "model": "m" }))).await;

        assert_eq!(response.status(), status);
        assert_eq!(
            response.extensions().get::<Rejection>().unwrap().code(),
            code
        );
        assert_eq!(trail.get::<Failure>().unwrap().code, code);
    }
}

#[tokio::test]
async fn a_providers_own_error_passes_as_it_is_and_costs_nothing() {
    let error = r#"{"error":{"message":"no","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let (url, _) = provider(move || {
        let mut response = json_answer(error);
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert("retry-after", 9.into());
        response
            .headers_mut()
            .insert("x-ratelimit-remaining-requests", 3.into());
        response
            .headers_mut()
            .insert("set-cookie", "a=b".parse().unwrap());
        response
    })
    .await;
    let trail = Trail::new();

    let response = send(&url, chat(&trail, "m", &json!({ "model": "m" }))).await;

    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "9");
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(
        !response
            .headers()
            .contains_key("x-ratelimit-remaining-requests")
    );
    assert_eq!(text(response).await, error);
    assert_eq!(trail.get::<Usage>(), Some(Usage::default()));
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_with_an_error() {
    const CHUNK: &str =
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    const TOLD: &str = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let cases: [(&'static [&'static str], _, _); 3] = [
        (&[CHUNK, "data: {\"half\":"], "stream_cut", false),
        (&[CHUNK], "stream_cut", false),
        (&[CHUNK, TOLD], "upstream_error", true),
    ];
    for (pieces, code, told) in cases {
        let (url, _) = provider(move || events(pieces)).await;
        let trail = Trail::new();

        let response = send(
            &url,
            chat(&trail, "m", &json!({ "model": "m", "stream": true })),
        )
        .await;
        let mut body = Box::pin(response.into_body());
        let mut whole = Vec::new();
        let error = loop {
            match body.frame().await.expect("an error comes before the end") {
                Ok(frame) => whole.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };

        let expected: String = pieces
            .iter()
            .filter(|piece| piece.ends_with("\n\n"))
            .copied()
            .collect();
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            expected,
            "no half events"
        );
        assert!(format!("{error:?}").contains(code), "{error:?}");
        assert!(format!("{error:?}").contains(&format!("told: {told}")));
        assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Body);
        assert!(trail.get::<Usage>().unwrap().estimated);
    }
}

#[tokio::test]
async fn without_a_target_nothing_is_sent() {
    let request = Request::post("/v1/chat/completions")
        .body(Full::from(r#"{"model":"m"}"#))
        .unwrap();

    let response = send("http://127.0.0.1:1/v1", request).await;

    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().code(),
        "endpoint_missing"
    );
}

#[tokio::test]
async fn a_refused_credential_is_the_gateways_matter_and_not_the_clients() {
    let (url, _) = simulated(Duration::ZERO).await;
    let endpoint = Endpoint::new("p", &url).unwrap();
    let endpoint = endpoint.bearer("sk-other".into()).unwrap();
    let service = tollgate_core::TimeoutLayer::new().layer(Upstream::new([endpoint]));
    let request = chat(&Trail::new(), "m", &json!({ "model": "m" }));

    let response = service.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let rejection = response.extensions().get::<Rejection>().unwrap().clone();
    assert_eq!(rejection.code(), "upstream_unauthorized");
    assert!(!text(response).await.contains("sk-"));
}

#[tokio::test]
async fn who_asked_for_a_stream_is_not_given_what_reads_as_an_empty_one() {
    let answer = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    let (url, _) = provider(move || json_answer(answer)).await;
    let trail = Trail::new();

    let response = send(
        &url,
        chat(&trail, "m", &json!({ "model": "m", "stream": true })),
    )
    .await;

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "answer_invalid");
    let usage = trail.get::<Usage>().unwrap();
    assert_eq!(
        (usage.input, usage.output, usage.estimated),
        (3, 2, false),
        "it is paid for"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_paid_for_as_far_as_it_came() {
    let (url, _) = provider(|| {
        let pieces = [
            Ok(Bytes::from("x".repeat(3000))),
            Err(std::io::ErrorKind::ConnectionReset),
        ];
        let body =
            futures_util::stream::iter(pieces.map(|piece| piece.map_err(std::io::Error::from)));
        let response = Response::builder().header("content-type", "application/json");
        response.body(Body::from_stream(body)).unwrap()
    })
    .await;
    let trail = Trail::new();

    let response = send(&url, chat(&trail, "m", &json!({ "model": "m" }))).await;

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let usage = trail.get::<Usage>().unwrap();
    assert!(usage.estimated, "{usage:?}");
    let code = trail.get::<Failure>().unwrap().code;
    assert!(
        code != "answer_cut" || usage.output >= 1000,
        "{code} {usage:?}"
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_sent_to_another_dialect() {
    let (url, seen) = provider(|| json_answer("{}")).await;
    let endpoint = Endpoint::new("p", &url).unwrap();
    let endpoint = endpoint.dialect(tollgate_llm::Dialect::Anthropic);
    let service = PayloadLayer::new().layer(Upstream::new([endpoint]));
    let mut request = chat(&Trail::new(), "m", &json!({}));
    *request.body_mut() = Full::from("{");

    let response = service.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(seen.lock().unwrap().is_empty());
}

/// With a lifetime of so many milliseconds.
fn short_lived(
    mut request: Request<Full<Bytes>>,
    send_by: u64,
    end_by: u64,
) -> Request<Full<Bytes>> {
    let after = |millis| Instant::now() + Duration::from_millis(millis);
    request.extensions_mut().insert(Lifetime {
        send_by: after(send_by),
        end_by: after(end_by),
    });
    request
}

#[tokio::test]
async fn what_comes_too_late_is_not_sent_and_nobodys_fault() {
    let (url, seen) = provider(|| json_answer("{}")).await;
    let trail = Trail::new();
    let request = chat(&trail, "m", &json!({ "model": "m" }));

    let response = send(&url, short_lived(request, 0, 60_000)).await;

    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "sent_too_late");
    assert_eq!(rejection.about(), tollgate_core::About::Caller);
    assert!(rejection.retry_after().is_some());
    assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::No));
    assert_eq!(trail.get::<Failure>(), None);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_is_cut_off_at_its_end_though_nobody_reads() {
    let body = json!({
        "model": "m", "stream": true,
        "messages": [{ "role": "user", "content": "tell me more" }],
    });
    // Until it is long enough for the head to come.
    let mut lives = 50;
    let (stats, trail, response) = loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let provider = Simulated::new().pace(Duration::from_millis(100));
        let mut long = Step::good();
        long.text = Some("word ".repeat(2_000));
        provider.script([long]);
        let stats = provider.stats();
        tokio::spawn(provider.serve(listener));
        let trail = Trail::new();
        let request = chat(&trail, "sim", &body);
        let response = send(&url, short_lived(request, 60_000, lives)).await;
        if response.status() == StatusCode::OK {
            break (stats, trail, response);
        }
        lives *= 2;
    };
    let cancelled = async {
        while stats.read().cancelled == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), cancelled)
        .await
        .expect("the provider is left");

    let mut body = Box::pin(response.into_body());
    let error = loop {
        match body.frame().await.expect("an error comes before the end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(format!("{error:?}").contains("stream_cut"), "{error:?}");
    assert!(trail.get::<Usage>().unwrap().estimated);
    assert_eq!(stats.read().finished, 0);
}

#[tokio::test]
async fn a_call_without_a_head_is_cut_off_at_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let trail = Trail::new();
    let request = chat(&trail, "m", &json!({ "model": "m" }));

    let response = send(&url, short_lived(request, 60_000, 100)).await; // and nobody accepts

    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "call_too_long");
    assert_eq!(rejection.about(), tollgate_core::About::Target);
    assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Head);
}
