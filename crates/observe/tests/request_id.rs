//! Which ids are kept, given and echoed.

use std::convert::Infallible;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tollgate_core::{GateLayer, Rejection, gate_fn, testing::Script};
use tollgate_observe::RequestIdLayer;
use tower::{Layer, ServiceExt, service_fn};

/// What the service got, and what came back.
async fn ids(sent: &[&[u8]], own: Option<&'static str>) -> (HeaderValue, HeaderValue) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let service = RequestIdLayer::new().layer(service_fn(move |request: Request<Script>| {
        sender.send(request.headers().clone()).unwrap();
        let mut response = Response::new(Script::empty());
        if let Some(own) = own {
            let own = HeaderValue::from_static(own);
            response.headers_mut().insert("x-request-id", own);
        }
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    let mut request = Request::new(Script::empty());
    for id in sent {
        let id = HeaderValue::from_bytes(id).unwrap();
        request.headers_mut().append("x-request-id", id);
    }
    let response = service.oneshot(request).await.unwrap();
    (only(&receiver.recv().unwrap()), only(response.headers()))
}

fn only(headers: &HeaderMap) -> HeaderValue {
    let ids: Vec<_> = headers.get_all("x-request-id").iter().collect();
    assert_eq!(ids.len(), 1);
    ids[0].clone()
}

#[tokio::test]
async fn a_sane_id_is_kept_and_echoed() {
    for id in ["a", "5f3d-77_x~!", &"x".repeat(128)] {
        let (got, echoed) = ids(&[id.as_bytes()], None).await;
        assert_eq!((got.to_str().unwrap(), echoed.to_str().unwrap()), (id, id));
    }
}

#[tokio::test]
async fn an_id_that_is_missing_or_not_sane_is_replaced() {
    let long = "x".repeat(129);
    let cases: [&[&[u8]]; 6] = [
        &[],
        &[b""],
        &[b"a b"],
        &[b"a", b"b"],
        &[b"\xff"],
        &[long.as_bytes()],
    ];
    for sent in cases {
        let (got, echoed) = ids(sent, None).await;
        let text = got.to_str().unwrap();
        assert_eq!(text.len(), 32, "{sent:?}");
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(got, echoed);
    }
    assert_ne!(ids(&[], None).await.0, ids(&[], None).await.0);
}

#[tokio::test]
async fn the_services_own_id_is_not_overwritten() {
    let (got, echoed) = ids(&[b"callers"], Some("services")).await;

    assert_eq!(
        (got, echoed),
        (
            HeaderValue::from_static("callers"),
            HeaderValue::from_static("services")
        )
    );
}

#[tokio::test]
async fn a_refusal_below_has_the_id() {
    let closed = gate_fn(|_| {
        Err::<(), _>(Rejection::new(
            StatusCode::FORBIDDEN,
            "closed",
            "nobody may pass",
        ))
    });
    let never = service_fn(|_: Request<Script>| {
        std::future::pending::<Result<Response<Script>, Infallible>>()
    });
    let service = RequestIdLayer::new().layer(GateLayer::new(closed).layer(never));

    let response = service
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();

    assert_eq!(only(response.headers()).len(), 32);
}
