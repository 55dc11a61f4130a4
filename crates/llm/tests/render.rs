//! What OpenAI's SDKs see of what is refused or breaks off.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tollgate_core::{
    GateLayer, Limit, Limits, Rejection, Trail,
    fact::{Cost, Usage},
    gate_fn,
    testing::{Answer, Inner, Recorder, Script, Step},
};
use tollgate_llm::RenderLayer;
use tower::{Layer, ServiceExt, service_fn};

async fn rendered(rejection: Rejection) -> (http::response::Parts, Value) {
    let gate = gate_fn(move |_| Err::<(), _>(rejection.clone()));
    let inner = Inner::new(Answer::ok(Script::empty()));
    let service = RenderLayer::new().layer(GateLayer::new(gate).layer(inner));
    let (head, body) = service
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap()
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_rejection_is_an_error_object_with_all_four_members() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "invalid_request_error"),
        (403, "invalid_request_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (503, "server_error"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let rejection =
            Rejection::new(status, "some_code", "some words").with_detail("param", "model");

        let (head, body) = rendered(rejection).await;

        assert_eq!(head.status, status);
        assert_eq!(head.headers["content-type"], "application/json");
        let error =
            json!({ "message": "some words", "type": kind, "param": "model", "code": "some_code" });
        assert_eq!(body, json!({ "error": error }));
    }
}

#[tokio::test]
async fn a_budget_that_is_spent_is_an_empty_account_in_each_dialect() {
    for (path, given, status, pointer, expected) in [
        (
            "/v1/chat/completions",
            429,
            429,
            "/error/type",
            "insufficient_quota",
        ),
        (
            "/v1/chat/completions",
            402,
            402,
            "/error/type",
            "insufficient_quota",
        ),
        ("/v1/messages", 429, 402, "/error/type", "billing_error"),
        ("/v1/messages", 402, 402, "/error/type", "billing_error"),
        (
            "/v1beta/models/m:generateContent",
            429,
            429,
            "/error/status",
            "RESOURCE_EXHAUSTED",
        ),
        (
            "/v1beta/models/m:generateContent",
            402,
            402,
            "/error/status",
            "RESOURCE_EXHAUSTED",
        ),
    ] {
        let given = StatusCode::from_u16(given).unwrap();
        let gate = gate_fn(move |_| {
            let spent = Rejection::new(given, "insufficient_quota", "spent");
            Err::<(), _>(spent.with_retry_after(Duration::from_secs(7)))
        });
        let inner = Inner::new(Answer::ok(Script::empty()));
        let service = RenderLayer::new().layer(GateLayer::new(gate).layer(inner));
        let request = Request::post(path).body(Script::empty()).unwrap();

        let (head, body) = service.oneshot(request).await.unwrap().into_parts();

        assert_eq!(head.status, status, "{path}");
        assert_eq!(head.headers["x-should-retry"], "false");
        assert_eq!(head.headers["retry-after"], "7");
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.pointer(pointer).unwrap(), expected, "{path}");
    }
}

#[tokio::test]
async fn of_several_limits_in_a_unit_the_tightest_is_said() {
    let limit = |remaining, reset| Limit {
        name: Arc::from("x"),
        unit: "tokens",
        quota: remaining + 100,
        window: Some(Duration::from_secs(60)),
        remaining,
        reset: Some(Duration::from_secs(reset)),
    };
    let limits = [limit(9, 1), limit(3, 1), limit(3, 8), limit(5, 90)];
    let rejection = Rejection::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_exceeded",
        "spent",
    )
    .with_limits(limits.into_iter().collect::<Limits>());

    let (head, _) = rendered(rejection).await;

    assert_eq!(head.headers["x-ratelimit-limit-tokens"], "103");
    assert_eq!(head.headers["x-ratelimit-remaining-tokens"], "3");
    assert_eq!(head.headers["x-ratelimit-reset-tokens"], "8s");
    assert!(!head.headers.contains_key("x-should-retry"));
}

#[tokio::test]
async fn limits_are_also_said_in_openais_headers() {
    let limit = |unit, window| Limit {
        name: Arc::from("x"),
        unit,
        quota: 600,
        window,
        remaining: 0,
        reset: Some(Duration::from_millis(61_500)),
    };
    let minute = Some(Duration::from_secs(60));
    let limits = [
        limit("requests", minute),
        limit("tokens", minute),
        limit("requests", None),
    ];
    let rejection = Rejection::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_exceeded",
        "spent",
    )
    .with_limits(limits.into_iter().collect::<Limits>());

    let (head, _) = rendered(rejection).await;

    for unit in ["requests", "tokens"] {
        assert_eq!(head.headers[format!("x-ratelimit-limit-{unit}")], "600");
        assert_eq!(head.headers[format!("x-ratelimit-remaining-{unit}")], "0");
        assert_eq!(
            head.headers[format!("x-ratelimit-reset-{unit}")],
            "1m1.500s"
        );
    }
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_an_event_and_those_inside_hear_of_the_failure() {
    let recorder = Recorder::new();
    let streaming = Inner::new(Answer::ok(Script::new([
        Step::Data(b"data: 1\n\n"),
        Step::Error,
    ])));
    let typed = tower::util::MapResponseLayer::new(|mut response: Response<Script>| {
        let events = http::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert("content-type", events);
        response
    });
    let service =
        RenderLayer::new().layer(GateLayer::new(recorder.clone()).layer(typed.layer(streaming)));

    let response = service
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("the failure is told in the stream")
        .to_bytes();

    let body = std::str::from_utf8(&body).unwrap();
    let event = body
        .strip_prefix("data: 1\n\ndata: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["error"]["code"], "stream_failed");
    assert_eq!(recorder.ends(), [tollgate_core::Outcome::Failed]);
}

#[tokio::test]
async fn what_was_not_refused_passes_as_it_is() {
    let service = RenderLayer::new().layer(service_fn(async |_: Request<()>| {
        let mut response = Response::new(Full::new(Bytes::from("not found, says the provider")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok::<_, Infallible>(response)
    }));

    let response = service.oneshot(Request::new(())).await.unwrap();

    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "not found, says the provider");
}

#[tokio::test]
async fn callers_of_responses_are_told_of_a_break_in_an_event_of_their_own() {
    let streaming = Inner::new(Answer::ok(Script::new([
        Step::Data(b"data: 1\n\n"),
        Step::Error,
    ])));
    let typed = tower::util::MapResponseLayer::new(|mut response: Response<Script>| {
        let events = http::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert("content-type", events);
        response
    });
    let service = RenderLayer::new().layer(typed.layer(streaming));
    let request = Request::post("/v1/responses").body(Script::empty());

    let response = service.oneshot(request.unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();

    let body = std::str::from_utf8(&body).unwrap();
    let event = body
        .strip_prefix("data: 1\n\nevent: error\ndata: ")
        .unwrap();
    let event: Value = serde_json::from_str(event.trim_end()).unwrap();
    assert_eq!(event["type"], "error");
    assert_eq!(
        (&event["code"], &event["error"]["code"]),
        (&json!("stream_failed"), &json!("stream_failed"))
    );
}

#[tokio::test]
async fn what_an_attempt_without_a_price_used_is_not_left_out_of_the_cost() {
    for (is_priced, told) in [(true, Some("0.000000012")), (false, Some("unknown"))] {
        let service = RenderLayer::new().layer(service_fn(move |request: Request<()>| {
            let trail = request.extensions().get::<Trail>().expect("it is begun");
            for priced in [true, is_priced] {
                let attempt = trail.child();
                attempt.set(Usage {
                    output: 1,
                    ..Usage::default()
                });
                if priced {
                    attempt.set(Cost::from_nanos(6));
                }
            }
            let response = Response::new(Full::new(Bytes::new()));
            std::future::ready(Ok::<_, Infallible>(response))
        }));

        let response = service.oneshot(Request::new(())).await.unwrap();

        let cost = response.headers().get("x-tollgate-cost");
        assert_eq!(cost.map(|cost| cost.to_str().unwrap()), told);
    }
}
