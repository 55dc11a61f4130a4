//! What the timeout promises.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, channel::Channel};
use tokio::time::{Instant, advance, sleep};
use tollgate_core::{
    About, Elapsed, GateLayer, Outcome, Rejection, TimeoutLayer, Trail,
    fact::{Failure, Phase},
    testing::Recorder,
};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn request(trail: &Trail) -> Request<()> {
    Request::builder()
        .extension(trail.clone())
        .body(())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_head_is_answered_for() {
    let recorder = Recorder::new();
    let silent = service_fn(async |_: Request<()>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let layer = TimeoutLayer::new().first_byte(SECOND);
    let service = layer.layer(GateLayer::new(recorder.clone()).layer(silent));
    let (trail, began) = (Trail::new(), Instant::now());

    let response = service.oneshot(request(&trail)).await.unwrap();

    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().about(),
        About::Target
    );
    assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Head);
    assert_eq!(
        recorder.ends(),
        [Outcome::Cancelled],
        "those inside heard it first"
    );
    assert_eq!(began.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_ends_with_an_error_and_a_lively_one_does_not() {
    let streaming = service_fn(async |_: Request<()>| {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            for _ in 0..10 {
                sleep(SECOND * 9 / 10).await;
                sender.send_data("a".into()).await.unwrap();
            }
            sleep(SECOND * 2).await;
            let _ = sender.send_data("too late".into()).await;
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let trail = Trail::new();
    let service = TimeoutLayer::new()
        .first_byte(SECOND)
        .idle(SECOND)
        .layer(streaming);
    let began = Instant::now();

    let mut body = Box::pin(service.oneshot(request(&trail)).await.unwrap().into_body());
    for _ in 0..10 {
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "a"
        );
    }
    let error = body.frame().await.unwrap().unwrap_err();

    assert!(error.is::<Elapsed>());
    assert!(body.frame().await.is_none());
    assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Body);
    assert_eq!(began.elapsed(), SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_a_silent_service() {
    let lively = service_fn(async |_: Request<()>| {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            for _ in 0..3 {
                sender.send_data("a".into()).await.unwrap();
            }
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let service = TimeoutLayer::new().idle(SECOND).layer(lively);

    let mut body = Box::pin(
        service
            .oneshot(request(&Trail::new()))
            .await
            .unwrap()
            .into_body(),
    );
    for _ in 0..3 {
        advance(SECOND * 10).await;
        assert!(body.frame().await.unwrap().is_ok());
    }

    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_total_bounds_a_lively_body_too() {
    let endless = service_fn(async |_: Request<()>| {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        tokio::spawn(async move {
            while sender.send_data("a".into()).await.is_ok() {
                sleep(SECOND / 10).await;
            }
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let service = TimeoutLayer::new()
        .idle(SECOND)
        .total(SECOND * 3)
        .layer(endless);
    let began = Instant::now();

    let body = service
        .oneshot(request(&Trail::new()))
        .await
        .unwrap()
        .into_body();

    assert!(body.collect().await.unwrap_err().is::<Elapsed>());
    assert_eq!(began.elapsed(), SECOND * 3);
}
