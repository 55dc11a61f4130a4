//! What is counted, under which labels.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tollgate_core::{
    GateLayer, Rejection, Trail,
    fact::{
        Attempt, CacheStatus, Call, Cost, Failure, Operation, Phase, Superseded, Target, Timing,
        Usage,
    },
    gate_fn,
    testing::{Answer, Contract, Fault, Inner, Script, Step},
};
use tollgate_observe::{ObserveLayer, RequestIdLayer, describe};
use tower::{Layer, Service, ServiceExt, service_fn};

/// What a recorder has seen: `name{labels}` and a number; for a histogram, its values.
type Seen = BTreeMap<String, Vec<f64>>;

fn seen(snapshotter: &Snapshotter) -> Seen {
    let entries = snapshotter.snapshot().into_vec().into_iter();
    let entries = entries.map(|(key, _, _, value)| {
        let labels: Vec<_> = key
            .key()
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let value = match value {
            DebugValue::Counter(count) => vec![count as f64],
            DebugValue::Gauge(value) => vec![value.into_inner()],
            DebugValue::Histogram(values) => {
                values.into_iter().map(|value| value.into_inner()).collect()
            }
        };
        (
            format!("{}{{{}}}", key.key().name(), labels.join(",")),
            value,
        )
    });
    entries.collect()
}

/// Runs with a recorder and paused time.
fn recorded(run: impl AsyncFnOnce()) -> Seen {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run()));
    seen(&snapshotter)
}

fn count(seen: &Seen, name: &str) -> Option<f64> {
    seen.get(name).map(|values| values.iter().sum())
}

/// A service whose trail says what `facts` writes.
fn told(
    facts: impl Fn(&Trail) + Clone,
) -> impl Service<Request<Script>, Response = Response<Script>, Error = Fault, Future: Send> + Clone
{
    service_fn(move |request: Request<Script>| {
        facts(request.extensions().get().unwrap());
        std::future::ready(Ok(Response::new(Script::known([Step::Data(b"answer")]))))
    })
}

async fn send<S, B>(service: S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = Fault>,
    B: http_body::Body,
{
    if let Ok(response) = service.oneshot(Request::new(Script::empty())).await {
        let _ = response.into_body().collect().await;
    }
}

#[test]
fn a_plain_request_is_counted_with_its_times() {
    let seen = recorded(async || {
        let slow = service_fn(async |_: Request<Script>| {
            tokio::time::advance(Duration::from_millis(250)).await;
            Ok(Response::new(Script::new([
                Step::Data(b"a"),
                Step::Data(b"b"),
            ])))
        });
        send(ObserveLayer::new().layer(slow)).await;
    });

    let labels = "operation=,model=,target=";
    let requests =
        format!("tollgate_requests_total{{{labels},status=200,outcome=completed,code=}}");
    let duration = format!("tollgate_request_duration_seconds{{{labels},outcome=completed}}");
    let first_byte = format!("tollgate_time_to_first_byte_seconds{{{labels}}}");
    assert_eq!(seen[&requests], [1.0]);
    assert_eq!(seen[&duration], [0.25]);
    assert_eq!(seen[&first_byte], [0.25]);
    assert_eq!(seen["tollgate_requests_in_flight{}"], [0.0]);
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn every_end_is_counted_once_by_how_it_was() {
    use Step::{Data, Error, Wait};
    let all = usize::MAX;
    for (answer, polls, expected) in [
        (
            Answer::ok(Script::known([Data(b"a")])),
            all,
            "status=200,outcome=completed",
        ),
        (
            Answer::ok(Script::empty()).status(StatusCode::IM_A_TEAPOT),
            all,
            "status=418,outcome=completed",
        ),
        (Answer::fails(Fault::Error), all, "status=,outcome=failed"),
        (Answer::fails(Fault::Panic), all, "status=,outcome=failed"),
        (
            Answer::fails(Fault::PanicInCall),
            all,
            "status=,outcome=failed",
        ),
        (
            Answer::ok(Script::new([Data(b"a"), Error])),
            all,
            "status=200,outcome=failed",
        ),
        (
            Answer::ok(Script::new([Data(b"a"), Step::Panic])),
            all,
            "status=200,outcome=failed",
        ),
        (
            Answer::ok(Script::empty()).after(9),
            0,
            "status=,outcome=cancelled",
        ),
        (
            Answer::ok(Script::empty()).after(9),
            3,
            "status=,outcome=cancelled",
        ),
        (
            Answer::ok(Script::new([Data(b"a"), Wait, Data(b"b")])),
            3,
            "status=200,outcome=cancelled",
        ),
    ] {
        let case = format!("{answer:?}, {polls} polls");
        let seen = recorded(async || {
            let mut service = ObserveLayer::new().layer(Inner::new(answer));
            ServiceExt::<Request<Script>>::ready(&mut service)
                .await
                .unwrap();
            let run = std::panic::AssertUnwindSafe(|| drive(&mut service, polls));
            let _ = std::panic::catch_unwind(run);
        });
        let expected =
            format!("tollgate_requests_total{{operation=,model=,target=,{expected},code=}}");
        let requests: Vec<_> = seen
            .iter()
            .filter(|(name, _)| name.starts_with("tollgate_requests_total"))
            .collect();
        assert_eq!(requests, [(&expected, &vec![1.0])], "{case}");
        assert_eq!(seen["tollgate_requests_in_flight{}"], [0.0], "{case}");
    }
}

fn drive<S, B>(service: &mut S, mut polls: usize)
where
    S: Service<Request<Script>, Response = Response<B>>,
    B: http_body::Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut future = pin!(service.call(Request::new(Script::empty())));
    while polls > 0 {
        polls -= 1;
        let Poll::Ready(answer) = future.as_mut().poll(&mut cx) else {
            continue;
        };
        let Ok(response) = answer else { return };
        let mut body = pin!(response.into_body());
        while polls > 0 && !body.is_end_stream() {
            polls -= 1;
            if let Poll::Ready(None | Some(Err(_))) = body.as_mut().poll_frame(&mut cx) {
                return;
            }
        }
        return;
    }
}

#[test]
fn a_refusal_has_its_code() {
    let seen = recorded(async || {
        let closed = gate_fn(|_| {
            Err::<(), _>(Rejection::new(
                StatusCode::FORBIDDEN,
                "closed",
                "nobody may pass",
            ))
        });
        let inner = GateLayer::new(closed).layer(told(|_| {}));
        let service = ObserveLayer::new().layer(inner);
        send(service.clone()).await;
        send(service).await;
    });

    let name = "tollgate_requests_total{operation=,model=,target=,status=403,outcome=completed,code=closed}";
    assert_eq!(count(&seen, name), Some(2.0), "{seen:?}");
}

#[test]
fn a_model_that_no_target_took_is_no_label() {
    let seen = recorded(async || {
        let layer = ObserveLayer::new();
        for number in 0..50 {
            let name: Arc<str> = format!("made-up-{number}").into();
            send(layer.layer(told(move |trail| {
                trail.set(Call::new(Operation::Chat, Arc::clone(&name)))
            })))
            .await;
        }
    });

    let name =
        "tollgate_requests_total{operation=chat,model=,target=,status=200,outcome=completed,code=}";
    assert_eq!(count(&seen, name), Some(50.0));
    assert!(
        seen.keys().all(|name| !name.contains("made-up")),
        "{seen:?}"
    );
}

#[test]
fn past_the_bound_models_and_targets_share_a_label() {
    let seen = recorded(async || {
        let layer = ObserveLayer::new().max_series(3);
        for number in (0..20).chain(0..20) {
            let facts = move |trail: &Trail| {
                trail.set(Call::new(Operation::Chat, format!("m{number}")));
                trail.child().set(Target::new(format!("t{number}")));
            };
            send(layer.layer(told(facts))).await;
        }
    });

    let requests = |model: &str, target: &str| {
        count(
            &seen,
            &format!(
                "tollgate_requests_total{{operation=chat,model={model},target={target},status=200,outcome=completed,code=}}"
            ),
        )
    };
    assert_eq!(requests("m2", "t2"), Some(2.0));
    assert_eq!(requests("m3", "t3"), None);
    assert_eq!(requests("other", "other"), Some(34.0));
    assert_eq!(
        count(
            &seen,
            "tollgate_attempts_total{target=other,result=cancelled}"
        ),
        Some(34.0)
    );
}

#[test]
fn each_attempt_counts_at_its_own_target() {
    let seen = recorded(async || {
        let facts = |trail: &Trail| {
            trail.set(Call::new(Operation::Chat, "fast"));
            trail.set(CacheStatus::Miss);
            let attempt = |target: &str, status: Option<u16>| {
                let child = trail.child();
                child.set(Target::new(target));
                child.set(Attempt {
                    status,
                    took: Duration::ZERO,
                });
                child
            };
            attempt("a", Some(503)).set(Superseded);
            let refused = attempt("b", None);
            refused.set(Failure {
                code: "connect_failed".into(),
                phase: Phase::Connect,
            });
            let served = attempt("a", Some(200));
            served.set(Usage {
                input: 1,
                cache_read: 2,
                cache_write: 3,
                cache_write_1h: 6,
                output: 4,
                reasoning: 2,
                ..Usage::default()
            });
            served.set(Cost::from_nanos(5));
            let hedge = attempt("b", None);
            hedge.set(Superseded);
            hedge.set(Usage {
                output: 7,
                ..Usage::default()
            });
            hedge.set(Cost::from_nanos(11));
        };
        send(ObserveLayer::new().layer(told(facts))).await;
    });

    for (name, expected) in [
        (
            "requests_total{operation=chat,model=fast,target=a,status=200,outcome=completed,code=}",
            1.0,
        ),
        ("tokens_total{type=input,model=fast,target=a}", 1.0),
        ("tokens_total{type=cache_read,model=fast,target=a}", 2.0),
        ("tokens_total{type=cache_write,model=fast,target=a}", 3.0),
        ("tokens_total{type=cache_write_1h,model=fast,target=a}", 6.0),
        ("tokens_total{type=reasoning,model=fast,target=a}", 2.0),
        ("tokens_total{type=output,model=fast,target=a}", 4.0),
        ("tokens_total{type=output,model=fast,target=b}", 7.0),
        ("cost_nanodollars_total{model=fast,target=a}", 5.0),
        ("cost_nanodollars_total{model=fast,target=b}", 11.0),
        ("attempts_total{target=a,result=5xx}", 1.0),
        ("attempts_total{target=a,result=2xx}", 1.0),
        ("attempts_total{target=b,result=connect_failed}", 1.0),
        ("attempts_total{target=b,result=error}", 1.0),
        ("cache_total{status=miss}", 1.0),
    ] {
        assert_eq!(
            count(&seen, &format!("tollgate_{name}")),
            Some(expected),
            "{name} in {seen:#?}"
        );
    }
    let tokens = seen
        .keys()
        .filter(|name| name.starts_with("tollgate_tokens_total"));
    assert_eq!(tokens.count(), 7, "what is not used has no series");
}

#[test]
fn what_went_wrong_at_the_target_that_served_is_the_code() {
    let seen = recorded(async || {
        let facts = |trail: &Trail| {
            let child = trail.child();
            child.set(Target::new("a"));
            child.set(Failure {
                code: "stream_error".into(),
                phase: Phase::Body,
            });
        };
        send(ObserveLayer::new().layer(told(facts))).await;
    });

    let name = "tollgate_requests_total{operation=,model=,target=a,status=200,outcome=failed,code=stream_error}";
    assert_eq!(count(&seen, name), Some(1.0), "{seen:?}");
}

#[test]
fn the_trail_has_the_times() {
    recorded(async || {
        let trail = Trail::new();
        let body = Script::new([Step::Data(b"a"), Step::Data(b"b")]);
        let service = ObserveLayer::new().layer(Inner::new(Answer::ok(body)));
        let mut request = Request::new(Script::empty());
        request.extensions_mut().insert(trail.clone());
        let timing = || trail.get::<Timing>().unwrap();
        let second = Duration::from_secs(1);

        let mut body = service.oneshot(request).await.unwrap().into_body();
        let started = timing().started;
        assert_eq!((timing().first_byte, timing().last_byte), (None, None));

        tokio::time::advance(second).await;
        body.frame().await.unwrap().unwrap();
        assert_eq!(
            (timing().first_byte, timing().last_byte),
            (Some(started + second), None)
        );

        tokio::time::advance(second).await;
        let _ = body.collect().await;
        assert_eq!(timing().started, started);
        assert_eq!(timing().first_byte, Some(started + second));
        assert_eq!(timing().last_byte, Some(started + 2 * second));
    });
}

#[test]
fn clones_and_services_of_a_layer_count_together() {
    let seen = recorded(async || {
        let layer = ObserveLayer::new();
        let service = layer.layer(told(|_| {}));
        send(service.clone()).await;
        send(service).await;
        send(layer.clone().layer(told(|_| {}))).await;
    });

    let name =
        "tollgate_requests_total{operation=,model=,target=,status=200,outcome=completed,code=}";
    assert_eq!(count(&seen, name), Some(3.0));
}

#[test]
fn every_metric_is_described() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        describe();
        metrics::histogram!("tollgate_request_duration_seconds").record(1.0);
    });

    let (_, unit, description, _) = snapshotter.snapshot().into_vec().pop().unwrap();
    assert_eq!(unit, Some(metrics::Unit::Seconds));
    assert!(description.is_some());
}

#[test]
fn both_layers_keep_the_contract() {
    let closed = |parts: &mut http::request::Parts| match parts.uri.path() {
        "/closed" => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "closed",
            "nobody may pass",
        )),
        _ => Ok(()),
    };
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        Contract::new(move |inner| {
            ObserveLayer::new().layer(GateLayer::new(gate_fn(closed)).layer(inner))
        })
        .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
        .settled(
            move || match seen(&snapshotter).get("tollgate_requests_in_flight{}") {
                Some(in_flight) => in_flight == &[0.0],
                None => true,
            },
        )
        .check();
    });

    Contract::new(move |inner| {
        RequestIdLayer::new().layer(GateLayer::new(gate_fn(closed)).layer(inner))
    })
    .refused(|request| *request.uri_mut() = "/closed".parse().unwrap())
    .check();
}
