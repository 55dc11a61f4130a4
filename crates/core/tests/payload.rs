//! What the reader of bodies promises.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tollgate_core::{
    Payload, PayloadLayer, Rejection, Trail,
    testing::{Answer, Inner, Script, Step},
};
use tower::{Layer, ServiceExt, service_fn};

async fn answer(layer: PayloadLayer, request: Request<Script>) -> (StatusCode, String, usize) {
    let inner = Inner::new(Answer::ok(Script::empty()));
    let response = layer.layer(inner.clone()).oneshot(request).await.unwrap();
    let code = response
        .extensions()
        .get::<Rejection>()
        .map(|it| it.code().to_owned());
    (response.status(), code.unwrap_or_default(), inner.calls())
}

#[tokio::test]
async fn those_inside_find_the_whole_body_in_three_places() {
    let service = PayloadLayer::new().layer(service_fn(async |request: Request<Full<Bytes>>| {
        let extension = request.extensions().get::<Payload>().unwrap().clone();
        let trail = request
            .extensions()
            .get::<Trail>()
            .unwrap()
            .get::<Payload>()
            .unwrap();
        assert_eq!(
            (extension.bytes(), trail.bytes()),
            (&"abc".into(), &"abc".into())
        );
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    }));
    let script = Script::new([
        Step::Data(b"a"),
        Step::Wait,
        Step::Data(b""),
        Step::Data(b"bc"),
        Step::Trailers,
    ]);

    let response = service.oneshot(Request::new(script)).await.unwrap();

    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "abc"
    );
}

#[tokio::test]
async fn a_body_of_one_frame_is_not_copied() {
    let sent = Bytes::from(vec![7; 4096]);
    let service = PayloadLayer::new().layer(service_fn(async |request: Request<Full<Bytes>>| {
        let payload = request.extensions().get::<Payload>().unwrap();
        let place = payload.bytes().as_ptr().addr();
        Ok::<_, Infallible>(Response::builder().header("place", place).body(()).unwrap())
    }));

    let response = service
        .oneshot(Request::new(Full::new(sent.clone())))
        .await
        .unwrap();

    let place = sent.as_ptr().addr().to_string();
    assert_eq!(response.headers()["place"], place.as_str());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_its_declaration_or_when_it_passes_it() {
    let declared = Request::post("/")
        .header("content-length", "4")
        .body(Script::new([Step::Data(b"abcd")]));
    let streamed = Script::new([Step::Data(b"ab"), Step::Data(b"cd"), Step::Panic]);
    let layer = PayloadLayer::new().limit(3);

    for request in [declared.unwrap(), Request::new(streamed)] {
        let refused = (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large".into(), 0);
        assert_eq!(answer(layer, request).await, refused);
    }
    let fits = Request::new(Script::new([Step::Data(b"ab"), Step::Data(b"c")]));
    assert_eq!(answer(layer, fits).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let request = Request::new(Script::new([Step::Data(b"ab"), Step::Error]));

    let refused = (StatusCode::BAD_REQUEST, "body_incomplete".into(), 0);
    assert_eq!(answer(PayloadLayer::new(), request).await, refused);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_dawdles_is_refused() {
    let (sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
    let inner = Inner::new(Answer::ok(Script::empty()));
    let layer = PayloadLayer::new().timeout(Duration::from_secs(5));
    let began = tokio::time::Instant::now();

    let response = layer
        .layer(inner.clone())
        .oneshot(Request::new(body))
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(inner.calls(), 0);
    drop(sender);
}
