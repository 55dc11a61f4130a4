//! The layer: what an answer counts as, what a refusal says, and the contract.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Barrier, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts, response};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tollgate_breaker::{BreakerLayer, BreakerPolicy, Class, State};
use tollgate_core::{
    About, GateLayer, Rejection,
    fact::Target,
    gate_fn,
    testing::{Answer, Contract, Fault, Inner, Script, Step},
};
use tower::{Layer, Service, ServiceExt, service_fn};

use State::{Closed, HalfOpen, Open};

const FIRST: BreakerPolicy = BreakerPolicy::new().consecutive_failures(1);

#[test]
fn a_closed_breaker_keeps_the_contract() {
    let layer = BreakerLayer::new(BreakerPolicy::new().without_consecutive_failures()).by(path);
    saturate(&layer, "/refused");

    Contract::new(|inner| layer.layer(inner))
        .refused(|request| *request.uri_mut() = "/refused".parse().unwrap())
        .check();
}

#[test]
fn a_half_open_breaker_keeps_the_contract_and_gets_every_probe_back() {
    let policy = FIRST
        .wait_in_open(Duration::ZERO)
        .max_wait_in_open(Duration::ZERO);
    let layer = BreakerLayer::new(policy).by(path);
    let looked_at = layer.clone();

    Contract::new(|inner| {
        // Every case begins with a probe.
        now(layer.layer(Inner::new(failing())).oneshot(request("/"))).unwrap();
        assert_eq!(layer.state("/"), Some(Open));
        saturate(&layer, "/refused");
        layer.layer(inner)
    })
    .refused(|request| *request.uri_mut() = "/refused".parse().unwrap())
    .settled(move || {
        let working = looked_at.layer(Inner::new(Answer::ok(Script::empty())));
        now(working.oneshot(request("/")))
            .unwrap()
            .status()
            .is_success()
            && looked_at.state("/") == Some(Closed)
    })
    .check();
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_for_what_it_says() {
    let head = |status: u16| Response::builder().status(status);
    let cases = [
        ("200", head(200), Closed),
        ("304", head(304), Closed),
        ("400", head(400), Closed),
        ("401", head(401), Closed),
        ("404", head(404), Closed),
        ("408", head(408), Closed),
        ("500", head(500), Open),
        ("502", head(502), Open),
        ("503", head(503), Open),
        (
            "503 with a time",
            head(503).header("retry-after", "3"),
            Open,
        ),
        ("504", head(504), Open),
        ("429", head(429), Closed),
        ("529", head(529), Closed),
        ("OK", head(200).header("grpc-status", "0"), Closed),
        ("CANCELLED", head(200).header("grpc-status", "1"), Closed),
        ("UNKNOWN", head(200).header("grpc-status", "2"), Open),
        (
            "INVALID_ARGUMENT",
            head(200).header("grpc-status", "3"),
            Closed,
        ),
        (
            "DEADLINE_EXCEEDED",
            head(200).header("grpc-status", "4"),
            Open,
        ),
        (
            "RESOURCE_EXHAUSTED",
            head(200).header("grpc-status", "8"),
            Closed,
        ),
        ("INTERNAL", head(200).header("grpc-status", "13"), Open),
        ("UNAVAILABLE", head(200).header("grpc-status", "14"), Open),
        ("DATA_LOSS", head(200).header("grpc-status", "15"), Open),
        ("no number", head(200).header("grpc-status", "x"), Closed),
    ];
    for (name, head, expected) in cases {
        let layer = BreakerLayer::new(FIRST);
        let response = head.body(Full::<Bytes>::default()).unwrap();
        let service = layer.layer(service_fn(async |_: Request<Script>| {
            Ok::<_, Infallible>(response.clone())
        }));

        let answer = ask(&service, "/").await;
        answer.into_body().collect().await.unwrap();

        assert_eq!(layer.state(""), Some(expected), "{name}");
        if expected == Closed {
            let again = ask(&service, "/").await;
            assert_ne!(
                code(&again),
                "target_saturated",
                "{name}: it did not say for how long"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_judged_by_its_end() {
    let cases = [
        (
            "whole",
            Script::new([Step::Data(b"a"), Step::Wait, Step::Data(b"b")]),
            Closed,
        ),
        (
            "trailers",
            Script::new([Step::Data(b"a"), Step::Trailers]),
            Closed,
        ),
        (
            "of known length",
            Script::known([Step::Data(b"a"), Step::Data(b"b")]),
            Closed,
        ),
        (
            "cut",
            Script::new([Step::Data(b"a"), Step::Wait, Step::Error]),
            Open,
        ),
    ];
    for (name, body, expected) in cases {
        let layer = BreakerLayer::new(FIRST);
        let service = layer.layer(Inner::new(Answer::ok(body)));

        let answer = ask(&service, "/").await;
        assert_eq!(layer.state(""), Some(Closed), "{name}: it has not ended");
        let _ = answer.into_body().collect().await;

        assert_eq!(layer.state(""), Some(expected), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_succeeds_only_with_its_body() {
    let (layer, service) = half_open(Script::new([Step::Data(b"a"), Step::Data(b"b")])).await;

    let mut body = ask(&service, "/").await.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
        assert_eq!(layer.state(""), Some(HalfOpen));
        assert_eq!(code(&ask(&service, "/").await), "circuit_open");
    }
    assert!(body.frame().await.is_none());

    assert_eq!(layer.state(""), Some(Closed));
}

#[tokio::test(start_paused = true)]
async fn grpc_trailers_are_the_last_word() {
    for (status, expected, again) in [
        ("0", Closed, ""),
        ("5", Closed, ""),
        ("8", Closed, "target_saturated"),
        ("14", Open, "circuit_open"),
    ] {
        let layer = BreakerLayer::new(FIRST);
        let service = layer.layer(service_fn(async |_: Request<Script>| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            trailers.insert("grpc-retry-pushback-ms", "1500".parse().unwrap());
            let body = Full::new(Bytes::from_static(b"a"));
            let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
            Ok::<_, Infallible>(Response::new(body))
        }));
        let mut body = ask(&service, "/").await.into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(layer.state(""), Some(Closed));
        body.frame().await.unwrap().unwrap();

        drop(body); // a client has what it wanted

        assert_eq!(layer.state(""), Some(expected), "{status}");
        let refused = ask(&service, "/").await;
        assert_eq!(code(&refused), again, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_are_failures_and_pass_untouched() {
    for fault in [Fault::Error, Fault::Panic, Fault::PanicInCall] {
        let layer = BreakerLayer::new(FIRST);
        let service = layer.layer(Inner::new(Answer::fails(fault)));

        let call = AssertUnwindSafe(|| now(service.clone().oneshot(request("/"))));
        match catch_unwind(call) {
            Ok(answer) => assert_eq!(answer.unwrap_err(), Fault::Error),
            Err(_) => assert_ne!(fault, Fault::Error),
        }

        assert_eq!(layer.state(""), Some(Open), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_from_further_in_counts_if_it_is_about_the_target() {
    for (about, expected) in [(About::Target, Open), (About::Caller, Closed)] {
        let layer = BreakerLayer::new(FIRST);
        let refuse = gate_fn(move |_| {
            let rejection = Rejection::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "too late");
            Err::<(), _>(match about {
                About::Target => rejection.about_target(),
                About::Caller => rejection,
            })
        });
        let inner = Inner::new(Answer::ok(Script::empty()));
        let service = (layer.clone(), GateLayer::new(refuse)).layer(inner);

        ask(&service, "/").await;

        assert_eq!(layer.state(""), Some(expected), "{about:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_tells_nothing_and_gives_the_probe_back() {
    let body = Script::new([Step::Data(b"a"), Step::Wait, Step::Data(b"b")]);
    let (layer, service) = half_open(body).await;

    let mut call = Box::pin(service.clone().oneshot(request("/leaves")));
    assert!(
        call.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert_eq!(code(&ask(&service, "/").await), "circuit_open");
    drop(call);
    assert_eq!(layer.state(""), Some(HalfOpen));

    let mut body = ask(&service, "/").await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(layer.state(""), Some(HalfOpen));

    let answer = ask(&service, "/").await;
    answer.into_body().collect().await.unwrap();
    assert_eq!(layer.state(""), Some(Closed));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_never_calls_the_service_and_says_when() {
    let inner = Inner::new(failing());
    let layer = BreakerLayer::new(FIRST);
    let service = layer.layer(inner.clone());
    ask(&service, "/").await;
    advance(Duration::from_millis(1_200)).await;

    let refused = ask(&service, "/").await;

    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "4");
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "circuit_open");
    assert_eq!(rejection.about(), About::Target);
    assert_eq!(rejection.retry_after(), Some(Duration::from_millis(3_800)));
    assert_eq!(inner.calls(), 1);
    advance(Duration::from_millis(3_800)).await;
    ask(&service, "/").await;
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_saturated_target_is_left_alone_until_it_says() {
    for (status, header, wait) in [
        (429, ("retry-after", "7"), 7_000),
        (529, ("retry-after-ms", "2500"), 2_500),
        (429, ("retry-after", "1000000000"), 60_000),
    ] {
        let layer = BreakerLayer::new(FIRST);
        let service = layer.layer(service_fn(async |_: Request<Script>| {
            let response = Response::builder()
                .status(status)
                .header(header.0, header.1);
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        }));
        ask(&service, "/").await;

        let refused = ask(&service, "/").await;

        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let rejection = refused.extensions().get::<Rejection>().unwrap();
        assert_eq!(
            (rejection.code(), rejection.about()),
            ("target_saturated", About::Target)
        );
        assert_eq!(rejection.retry_after(), Some(Duration::from_millis(wait)));
        assert_eq!(layer.state(""), Some(Closed));
        advance(Duration::from_millis(wait)).await;
        assert_eq!(ask(&service, "/").await.status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn each_target_has_a_breaker_of_its_own() {
    let layer = BreakerLayer::new(FIRST);
    let to = |name: &str| {
        let mut request = request("/");
        request.extensions_mut().insert(Target::new(name));
        request
    };
    layer
        .layer(Inner::new(failing()))
        .oneshot(to("a"))
        .await
        .unwrap();

    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));

    assert_eq!(
        code(&service.clone().oneshot(to("a")).await.unwrap()),
        "circuit_open"
    );
    assert_eq!(service.oneshot(to("b")).await.unwrap().status(), 200);
    let states = ["a", "b", "c"].map(|name| layer.state(name));
    assert_eq!(states, [Some(Open), Some(Closed), None]);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_breakers() {
    let layer = BreakerLayer::new(BreakerPolicy::new().consecutive_failures(3));
    let service = layer.layer(Inner::new(failing()));
    ask(&service, "/").await;
    ask(&service, "/").await;
    ask(&layer.clone().layer(Inner::new(failing())), "/").await;

    assert_eq!(code(&ask(&service, "/").await), "circuit_open");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_head_is_complete_with_its_head() {
    let (layer, service) = half_open(Script::new([Step::Data(b"never asked for")])).await;
    let mut request = request("/");
    *request.method_mut() = Method::HEAD;

    let _answer = service.oneshot(request).await.unwrap();

    assert_eq!(layer.state(""), Some(Closed));
}

#[tokio::test(start_paused = true)]
async fn transitions_are_told_in_order() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let layer = BreakerLayer::new(FIRST).by(path).on_transition({
        let told = Arc::clone(&told);
        move |key: &String, from, to| told.lock().unwrap().push((key.clone(), from, to))
    });
    ask(&layer.layer(Inner::new(failing())), "/a").await;
    advance(Duration::from_secs(5)).await;
    ask(&layer.layer(Inner::new(Answer::ok(Script::empty()))), "/a").await;

    let expected = [(Closed, Open), (Open, HalfOpen), (HalfOpen, Closed)];
    let expected = expected.map(|(from, to)| ("/a".to_owned(), from, to));
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_callback_costs_nothing() {
    let layer = BreakerLayer::new(FIRST).on_transition(|_, _, to| panic!("scripted, at {to:?}"));
    ask(&layer.layer(Inner::new(failing())), "/").await;
    assert_eq!(layer.state(""), Some(Open));
    advance(Duration::from_secs(5)).await;

    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));

    assert_eq!(ask(&service, "/").await.status(), 200);
    assert_eq!(layer.state(""), Some(Closed));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_key_or_the_classifier_costs_one_request() {
    let layer = BreakerLayer::new(FIRST)
        .by(|parts: &Parts| assert_ne!(parts.uri.path(), "/key", "scripted"))
        .classify(|head: &response::Parts| {
            assert_ne!(head.status, StatusCode::IM_A_TEAPOT, "scripted");
            Class::Failure
        });
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    let call = AssertUnwindSafe(|| now(service.oneshot(request("/key"))));
    assert!(catch_unwind(call).is_err());
    let teapot = Answer::ok(Script::empty()).status(StatusCode::IM_A_TEAPOT);

    let answer = ask(&layer.layer(Inner::new(teapot)), "/").await;

    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(layer.state(&()), Some(Closed));
}

#[tokio::test(start_paused = true)]
async fn answers_can_be_judged_in_another_way() {
    let layer = BreakerLayer::new(FIRST).classify(|head: &response::Parts| match head.status {
        StatusCode::NOT_FOUND => Class::Failure,
        _ => Class::Success,
    });
    let answering = |status| layer.layer(Inner::new(Answer::ok(Script::empty()).status(status)));

    ask(&answering(StatusCode::BAD_GATEWAY), "/").await;
    assert_eq!(layer.state(""), Some(Closed));
    ask(&answering(StatusCode::NOT_FOUND), "/").await;
    assert_eq!(layer.state(""), Some(Open));
}

#[test]
fn half_open_lets_exactly_the_probes_through_to_threads_at_once() {
    const THREADS: usize = 8;
    for _ in 0..50 {
        let policy = FIRST.permitted_probes(3).wait_in_open(Duration::ZERO);
        let layer = BreakerLayer::new(policy);
        now(layer.layer(Inner::new(failing())).oneshot(request("/"))).unwrap();
        let waiting = Inner::new(Answer::ok(Script::empty()).after(usize::MAX));
        let (barrier, held) = (Barrier::new(THREADS), Mutex::new(Vec::new()));

        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let service = layer.layer(waiting.clone());
                    barrier.wait();
                    for _ in 0..10 {
                        let mut call = Box::pin(service.clone().oneshot(request("/")));
                        let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                        held.lock().unwrap().push(call);
                    }
                });
            }
        });

        assert_eq!(waiting.calls(), 3);
        held.lock().unwrap().clear();
        let answer = soon(layer.layer(waiting.clone()).oneshot(request("/")));
        assert!(
            answer.is_none(),
            "the probes came back, so this one waits for its answer"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_tasks_one_is_the_probe() {
    let (layer, _) = half_open(Script::empty()).await;
    let inner = Inner::new(Answer::ok(Script::empty()).after(3));
    let tasks: Vec<_> = (0..1_000)
        .map(|_| tokio::spawn(layer.layer(inner.clone()).oneshot(request("/"))))
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(inner.calls(), 1);

    let mut refused = 0;
    for task in tasks {
        refused += usize::from(code(&task.await.unwrap().unwrap()) == "circuit_open");
    }

    assert_eq!((refused, layer.state("")), (999, Some(Closed)));
}

#[tokio::test(start_paused = true)]
async fn without_room_the_healthy_are_forgotten_and_the_failing_are_not() {
    let layer = BreakerLayer::new(FIRST).max_keys(10).by(path);
    for n in 0..5 {
        ask(&layer.layer(Inner::new(failing())), &format!("/bad{n}")).await;
    }
    let healthy = layer.layer(Inner::new(Answer::ok(Script::empty())));
    for n in 0..1_000 {
        ask(&healthy, &format!("/{n}")).await;
        assert!(layer.keys() <= 10);
    }

    for n in 0..5 {
        assert_eq!(layer.state(format!("/bad{n}").as_str()), Some(Open));
    }
}

#[tokio::test(start_paused = true)]
async fn where_all_hold_somebody_back_a_new_key_passes_unguarded() {
    let layer = BreakerLayer::new(FIRST).max_keys(2).by(path);
    let service = layer.layer(Inner::new(failing()));
    for path in ["/a", "/b", "/c", "/c"] {
        let answer = ask(&service, path).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{path}");
    }
    assert_eq!(code(&ask(&service, "/a").await), "circuit_open");

    // Long after they could have been tried again, they make room.
    advance(Duration::from_secs(66)).await;
    ask(&service, "/c").await;
    assert_eq!(layer.state("/c"), Some(Open));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_with_a_call_in_flight_is_not_forgotten() {
    let layer = BreakerLayer::new(FIRST).max_keys(1).by(path);
    let cut = Script::new([Step::Data(b"a"), Step::Error]);
    let flying = ask(&layer.layer(Inner::new(Answer::ok(cut))), "/a").await;
    let other = layer.layer(Inner::new(Answer::ok(Script::empty())));
    ask(&other, "/b").await;

    assert!(flying.into_body().collect().await.is_err());

    assert_eq!(layer.state("/a"), Some(Open));
}

/// A breaker that is ready for a probe, and a service behind it that waits once and then answers with `body`.
async fn half_open(
    body: Script,
) -> (
    BreakerLayer,
    tollgate_core::GateService<
        Inner,
        tollgate_breaker::BreakerGate<
            tollgate_breaker::ByTarget,
            Arc<str>,
            tollgate_breaker::Standard,
        >,
    >,
) {
    let layer = BreakerLayer::new(FIRST);
    ask(&layer.layer(Inner::new(failing())), "/").await;
    advance(Duration::from_secs(5)).await;
    let service = layer.layer(Inner::new(Answer::ok(body).after(1)));
    (layer, service)
}

/// The answer's head, of one request for this path.
async fn ask<S, B>(service: &S, path: &str) -> Response<B>
where
    S: Service<Request<Script>, Response = Response<B>, Error: Debug> + Clone,
{
    service.clone().oneshot(request(path)).await.unwrap()
}

fn saturate<F: Fn(&Parts) -> String>(layer: &BreakerLayer<F, String>, path: &str) {
    let service = layer.layer(service_fn(async |_: Request<Script>| {
        let response = Response::builder().status(429).header("retry-after", "60");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    }));
    now(service.oneshot(request(path))).unwrap();
}

fn failing() -> Answer {
    Answer::ok(Script::empty()).status(StatusCode::BAD_GATEWAY)
}

/// The output of a future that does not wait for long.
fn now<F: Future>(future: F) -> F::Output {
    soon(future).expect("it waits")
}

fn soon<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..10).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

fn code<B>(response: &Response<B>) -> &str {
    let rejection = response.extensions().get::<Rejection>();
    rejection.map_or("", Rejection::code)
}

fn request(path: &str) -> Request<Script> {
    Request::builder().uri(path).body(Script::empty()).unwrap()
}

fn path(parts: &Parts) -> String {
    parts.uri.path().to_owned()
}
