//! The layer: whom it counts, what it holds and for how long, and the contract.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::advance;
use tollgate_core::{
    Limits, Rejection,
    fact::Principal,
    testing::{Answer, Contract, Fault, Inner, Script, Step},
};
use tollgate_quota::{Quota, QuotaLayer};
use tower::{Layer, ServiceExt, service_fn};

const MANY: Quota = Quota::per_second(1_000_000);

#[test]
fn a_rate_keeps_the_contract() {
    let layer = QuotaLayer::new(MANY);

    Contract::new(move |inner| layer.layer(inner))
        .request(signed)
        .refused(forget_principal)
        .check();
}

#[test]
fn a_concurrency_keeps_the_contract_and_gives_every_slot_back() {
    let layer = QuotaLayer::new(MANY).and_concurrency(1);
    let looked_at = layer.clone();

    Contract::new(move |inner| layer.layer(inner))
        .request(signed)
        .refused(forget_principal)
        .settled(move || looked_at.in_flight() == 0)
        .check();
}

#[test]
fn a_caller_that_is_refused_for_its_concurrency_keeps_the_contract() {
    let layer = QuotaLayer::concurrency(1).by(path);
    let holder = layer.layer(Inner::new(Answer::ok(Script::new([Step::Wait]))));
    let mut held = Box::pin(holder.oneshot(request("/held")));
    let head = held.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(head.is_ready(), "its body stays open");

    Contract::new(|inner| layer.layer(inner))
        .refused(|request| *request.uri_mut() = "/held".parse().unwrap())
        .settled({
            let layer = layer.clone();
            move || layer.in_flight() == 1
        })
        .check();
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_until_the_body_has_ended() {
    let layer = QuotaLayer::concurrency(1).by(path);
    let body = Script::new([Step::Data(b"a"), Step::Trailers]);
    let service = layer.layer(Inner::new(Answer::ok(body)));
    let ask = || service.clone().oneshot(request("/"));

    let answer = ask().await.unwrap();
    assert_eq!(
        answer.headers()["ratelimit-policy"],
        r#""concurrency";q=1;qu="concurrency""#
    );
    assert_eq!(answer.headers()["ratelimit"], r#""concurrency";r=0"#);
    let mut body = answer.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
        assert_eq!(ask().await.unwrap().status(), 429);
    }
    assert!(body.frame().await.is_none());

    assert_eq!(ask().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_given_back_whatever_ends_the_answer() {
    let cut = Script::new([Step::Data(b"a"), Step::Error]);
    let endless = Script::new([Step::Data(b"a"), Step::Wait, Step::Data(b"b")]);
    let layer = QuotaLayer::concurrency(1).by(path);

    let failing = layer.layer(Inner::new(Answer::fails(Fault::Error)));
    assert!(failing.oneshot(request("/")).await.is_err());
    assert_eq!(layer.in_flight(), 0, "an error of the service");

    let waiting = layer.layer(Inner::new(Answer::ok(Script::empty()).after(5)));
    let mut call = Box::pin(waiting.oneshot(request("/")));
    let poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    assert_eq!(layer.in_flight(), 1);
    drop(call);
    assert_eq!(layer.in_flight(), 0, "a caller who leaves before the head");

    let answer = layer
        .layer(Inner::new(Answer::ok(cut)))
        .oneshot(request("/"))
        .await;
    assert!(answer.unwrap().into_body().collect().await.is_err());
    assert_eq!(layer.in_flight(), 0, "a body that breaks off");

    let answer = layer
        .layer(Inner::new(Answer::ok(endless.clone())))
        .oneshot(request("/"))
        .await;
    let mut body = answer.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(layer.in_flight(), 0, "a caller who leaves in mid-body");

    let mut head = request("/");
    *head.method_mut() = Method::HEAD;
    let answer = layer
        .layer(Inner::new(Answer::ok(endless)))
        .oneshot(head)
        .await
        .unwrap();
    assert_eq!(layer.in_flight(), 0, "a head is the whole answer");
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn refused_for_its_concurrency_a_request_costs_no_rate() {
    let layer = QuotaLayer::new(Quota::per_minute(3))
        .and_concurrency(1)
        .by(path);
    let service = layer.layer(Inner::new(Answer::ok(Script::new([Step::Wait]))));
    let ask = || service.clone().oneshot(request("/"));

    let first = ask().await.unwrap();
    for _ in 0..10 {
        let refused = ask().await.unwrap();
        let rejection = refused.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.code(), "concurrency_exceeded");
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["ratelimit"], r#""concurrency";r=0;t=1"#);
    }
    drop(first);

    let second = ask().await.unwrap();
    let limits = second.extensions().get::<Limits>().unwrap();
    assert_eq!(limits.iter().next().unwrap().remaining, 1);
}

#[tokio::test(start_paused = true)]
async fn refused_for_its_rate_a_request_holds_no_slot() {
    let layer = QuotaLayer::new(Quota::per_minute(1))
        .and_concurrency(1)
        .by(path);
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    service.clone().oneshot(request("/")).await.unwrap();

    let refused = service.oneshot(request("/")).await.unwrap();

    assert_eq!(refused.status(), 429);
    assert_eq!(layer.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_never_reaches_the_service() {
    let inner = Inner::new(Answer::ok(Script::empty()));
    let service = QuotaLayer::new(Quota::per_minute(2))
        .by(path)
        .layer(inner.clone());

    for _ in 0..10 {
        service.clone().oneshot(request("/")).await.unwrap();
    }

    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_principal_nobody_is_made_up() {
    let inner = Inner::new(Answer::ok(Script::empty()));
    let service = QuotaLayer::new(MANY).layer(inner.clone());

    let answer = service.oneshot(request("/")).await.unwrap();

    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let rejection = answer.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "principal_missing");
    assert_eq!(inner.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_anonymous_share_an_account_that_is_no_principals() {
    let layer = QuotaLayer::new(Quota::per_minute(1)).anonymous();
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    let ask = |request| service.clone().oneshot(request);

    assert_eq!(ask(request("/a")).await.unwrap().status(), 200);
    assert_eq!(ask(request("/b")).await.unwrap().status(), 429);
    assert_eq!(ask(signed()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_callers_function_costs_one_request() {
    let layer = QuotaLayer::new(Quota::per_minute(1))
        .and_concurrency(1)
        .by(|parts: &Parts| {
            assert_ne!(parts.uri.path(), "/panic", "scripted");
            0
        });
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));

    let call = || {
        let mut call = Box::pin(service.clone().oneshot(request("/panic")));
        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());

    assert_eq!(layer.in_flight(), 0);
    assert_eq!(service.oneshot(request("/")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_caller_is_told_in_its_own_words() {
    let layer = QuotaLayer::new(Quota::per_minute(60).burst(1)).by(path);
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    let ask = || {
        let mut request = request("/");
        let grpc = "application/grpc".parse().unwrap();
        request.headers_mut().insert("content-type", grpc);
        service.clone().oneshot(request)
    };
    ask().await.unwrap();
    advance(Duration::from_millis(250)).await;

    let refused = ask().await.unwrap();

    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert_eq!(refused.headers()["grpc-retry-pushback-ms"], "750");
}

#[test]
fn debug_shows_the_policy_and_no_caller() {
    let layer = QuotaLayer::new(Quota::per_minute(60)).and_concurrency(3);
    let service = layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let mut request = Request::new(());
    request
        .extensions_mut()
        .insert(Principal::new("secret-key"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let answer = runtime.block_on(service.oneshot(request)).unwrap();

    let shown = format!("{layer:?} {answer:?}");

    assert!(
        shown.contains("60") && !shown.contains("secret-key"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn trailers_and_sizes_pass_unchanged() {
    let body = Script::known([Step::Data(b"ab"), Step::Trailers]);
    let service = QuotaLayer::concurrency(1)
        .by(path)
        .layer(Inner::new(Answer::ok(body)));

    let answer = service.oneshot(request("/")).await.unwrap();

    assert_eq!(answer.body().size_hint().exact(), Some(2));
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), Bytes::from_static(b"ab"));
}

fn request(path: &str) -> Request<Script> {
    Request::builder().uri(path).body(Script::empty()).unwrap()
}

fn signed() -> Request<Script> {
    let mut request = request("/");
    request.extensions_mut().insert(Principal::new("key-1"));
    request
}

fn forget_principal(request: &mut Request<Script>) {
    request.extensions_mut().remove::<Principal>();
}

fn path(parts: &Parts) -> String {
    parts.uri.path().to_owned()
}
