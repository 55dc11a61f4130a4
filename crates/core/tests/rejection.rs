//! How a layer's own answers look to callers.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tollgate_core::{Limit, Limits, Rejection, Reply, Wire};

fn wire(content_type: &str) -> Wire {
    let request = Request::post("/")
        .header("content-type", content_type)
        .body(())
        .unwrap();
    Wire::of(&request.into_parts().0)
}

async fn json_of(response: Response<Reply<http_body_util::Empty<bytes::Bytes>>>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_rejection_is_problem_details() {
    let rejection = Rejection::new(StatusCode::FORBIDDEN, "not_yours", "that is another's")
        .with_detail("type", "https://example.com/not-yours")
        .with_detail("owner", "somebody");

    let response = rejection.into_response(wire("application/json"));

    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        json_of(response).await,
        json!({
            "type": "https://example.com/not-yours",
            "title": "Forbidden",
            "status": 403,
            "detail": "that is another's",
            "code": "not_yours",
            "owner": "somebody",
        })
    );
}

#[test]
fn a_grpc_caller_gets_a_trailers_only_status() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "Application/gRPC; x=y",
    ] {
        let rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, "spent", "100 % — spent")
            .with_retry_after(Duration::from_millis(1500));

        let response =
            rejection.into_response::<http_body_util::Empty<bytes::Bytes>>(wire(content_type));

        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["grpc-status"], "8");
        assert_eq!(
            response.headers()["grpc-message"],
            "100 %25 %E2%80%94 spent"
        );
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1500");
        assert!(response.body().is_end_stream());
    }
    assert!(!wire("application/grpc-web").is_grpc());
    assert!(!wire("application/json").is_grpc());
}

#[test]
fn retry_after_is_in_whole_seconds_rounded_up_and_never_none() {
    for (millis, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999, "60")] {
        let rejection = Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "closed", "later")
            .with_retry_after(Duration::from_millis(millis));

        let response = rejection.into_response::<()>(Wire::default());

        assert_eq!(response.headers()["retry-after"], header, "{millis} ms");
    }
}

#[test]
fn limits_go_out_as_structured_fields() {
    let limit = Limit {
        name: Arc::from("per \"key\""),
        unit: "tokens",
        quota: 600,
        window: Some(Duration::from_secs(60)),
        remaining: 0,
        reset: Some(Duration::from_millis(29_001)),
    };
    let held = Limit {
        name: Arc::from("concurrency"),
        unit: "requests",
        quota: 20,
        window: None,
        remaining: 3,
        reset: None,
    };
    let limits = Limits::new().with(limit).with(held);
    let rejection =
        Rejection::new(StatusCode::TOO_MANY_REQUESTS, "spent", "spent").with_limits(limits);

    let response = rejection.into_response::<()>(Wire::default());

    let all = |name: &str| -> Vec<_> {
        let values = response.headers().get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        all("ratelimit-policy"),
        [
            r#""per \"key\"";q=600;w=60;qu="tokens""#,
            r#""concurrency";q=20"#
        ]
    );
    assert_eq!(
        all("ratelimit"),
        [r#""per \"key\"";r=0;t=30"#, r#""concurrency";r=3"#]
    );
    assert_eq!(
        response
            .extensions()
            .get::<Limits>()
            .unwrap()
            .iter()
            .count(),
        2
    );
}
