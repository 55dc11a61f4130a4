//! What becomes of an answer when the caller leaves before its end.

use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tollgate_core::{
    DrainLayer, GateLayer, Outcome, Trail,
    fact::Dispatch,
    gate_fn,
    testing::{Answer, Contract, Inner, Recorder, Script, Step},
};
use tower::{Layer, Service, ServiceExt};

const STEPS: [Step; 6] = [
    Step::Data(b"one"),
    Step::Wait,
    Step::Data(b"two"),
    Step::Wait,
    Step::Data(b"three"),
    Step::Trailers,
];

/// A drain before a gate that records, before a service that has sent what it was asked, or not.
fn service(
    layer: &DrainLayer,
    recorder: &Recorder,
    sent: Option<Dispatch>,
    answer: Answer,
) -> impl Service<
    Request<Script>,
    Response = Response<impl Body<Data = bytes::Bytes, Error: std::fmt::Debug> + use<>>,
    Error: std::fmt::Debug,
    Future: Send,
> + Clone
+ use<> {
    let sending = gate_fn(move |parts| {
        let trail = Trail::of(parts);
        if let Some(sent) = sent {
            trail.set(sent);
        }
        Ok(())
    });
    let inner = GateLayer::new(sending).layer(Inner::new(answer));
    layer.layer(GateLayer::new(recorder.clone()).layer(inner))
}

fn request() -> Request<Script> {
    Request::new(Script::empty())
}

/// Lets what was spawned run as far as it can without time.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_mid_body_does_not_cut_the_answer() {
    let recorder = Recorder::new();
    let answer = Answer::ok(Script::new(STEPS));
    let service = service(&DrainLayer::new(), &recorder, Some(Dispatch::Yes), answer);

    let response = service.oneshot(request()).await.unwrap();
    let mut body = Box::pin(response.into_body());
    body.frame().await.unwrap().unwrap();
    drop(body);

    assert!(recorder.ends().is_empty(), "it goes on");
    settle().await;
    assert_eq!(recorder.ends(), [Outcome::Completed]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_head_does_not_either() {
    let recorder = Recorder::new();
    let answer = Answer::ok(Script::new(STEPS)).after(3);
    let service = service(&DrainLayer::new(), &recorder, Some(Dispatch::Yes), answer);

    assert!(service.oneshot(request()).now_or_never().is_none());

    settle().await;
    assert_eq!(recorder.ends(), [Outcome::Completed]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_cancelled() {
    for sent in [None, Some(Dispatch::No)] {
        let recorder = Recorder::new();
        let answer = Answer::ok(Script::new(STEPS)).after(3);
        let service = service(&DrainLayer::new(), &recorder, sent, answer);

        assert!(service.oneshot(request()).now_or_never().is_none());

        assert_eq!(recorder.ends(), [Outcome::Cancelled], "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_read_on_within_bounds() {
    let waits = vec![Step::Wait; 100_000];
    for (layer, steps) in [
        (DrainLayer::new().bytes(7), &STEPS[..]),
        (DrainLayer::new().at_once(0), &STEPS[..]),
        (DrainLayer::new().time(Duration::ZERO), &waits[..]),
    ] {
        let recorder = Recorder::new();
        let steps = steps.iter().copied();
        let answer = Answer::ok(Script::new(steps));
        let service = service(&layer, &recorder, Some(Dispatch::Yes), answer);

        drop(service.oneshot(request()).await.unwrap());
        settle().await;

        assert_eq!(recorder.ends(), [Outcome::Cancelled], "{layer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_when_an_answer_has_been_read() {
    let layer = DrainLayer::new().at_once(1);
    let recorder = Recorder::new();
    let answer = Answer::ok(Script::new(STEPS));
    let service = service(&layer, &recorder, Some(Dispatch::Yes), answer);

    for _ in 0..3 {
        drop(service.clone().oneshot(request()).await.unwrap());
        drop(service.clone().oneshot(request()).await.unwrap());
        settle().await;
    }

    let ends = recorder.ends();
    let completed = ends.iter().filter(|&&end| end == Outcome::Completed);
    assert_eq!((ends.len(), completed.count()), (6, 3));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_to_its_end_passes_as_it_is() {
    let recorder = Recorder::new();
    let answer = Answer::ok(Script::known(STEPS));
    let service = service(&DrainLayer::new(), &recorder, Some(Dispatch::Yes), answer);

    let response = service.oneshot(request()).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();

    assert!(whole.trailers().is_some());
    assert_eq!(whole.to_bytes(), "onetwothree");
    assert_eq!(recorder.ends(), [Outcome::Completed]);
}

#[test]
fn it_keeps_the_contract() {
    let recorder = Recorder::new();
    let gate = GateLayer::new(recorder.clone());
    Contract::new(move |inner| DrainLayer::new().layer(gate.layer(inner)))
        .settled(move || recorder.open() == 0)
        .check();
}
