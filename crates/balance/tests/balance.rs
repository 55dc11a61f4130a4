//! What the layer promises.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tollgate_balance::{BalanceLayer, Pool, RetryBudget, Strategy};
use tollgate_core::{
    Rejection, Reply, Trail, Wire,
    fact::{Attempt, Dispatch, Superseded, Target},
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// What a target does: a status with a wait in seconds, or a refusal by a gate before it.
#[derive(Clone, Copy)]
enum Does {
    Answer(u16),
    Wait(u16, u64),
    Refuse(u64),
    Break,
}

type Log = Arc<Mutex<Vec<String>>>;

/// A service whose targets do what they are told, and that writes down who was called.
fn targets<const N: usize>(
    script: [(&'static str, Does); N],
    log: &Log,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Reply<Full<Bytes>>>,
    Error = &'static str,
    Future: Send,
> + Clone
+ use<N> {
    let log = Arc::clone(log);
    service_fn(move |request: Request<Full<Bytes>>| {
        let target = request.extensions().get::<Target>().unwrap().clone();
        let does = script
            .iter()
            .find(|(name, _)| *name == &*target.name)
            .unwrap()
            .1;
        log.lock().unwrap().push(target.name.to_string());
        let status = |status| {
            let mut response = Response::new(Reply::full(target.name.to_string()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        };
        std::future::ready(match does {
            Does::Answer(code) => Ok(status(code)),
            Does::Wait(code, wait) => {
                let mut response = status(code);
                response.headers_mut().insert("retry-after", wait.into());
                Ok(response)
            }
            Does::Refuse(wait) => {
                Ok(
                    Rejection::new(StatusCode::TOO_MANY_REQUESTS, "spent", "spent")
                        .with_retry_after(Duration::from_secs(wait))
                        .into_response(Wire::default()),
                )
            }
            Does::Break => Err("broken"),
        })
    })
}

/// Tried strictly in this order: each outweighs all that follow.
fn in_order<const N: usize>(names: [&'static str; N]) -> [Target; N] {
    let mut rank = 0;
    names.map(|name| {
        rank += 1;
        Target::new(name).with_weight(if rank == 1 { u32::MAX } else { 0 })
    })
}

fn request(trail: &Trail) -> Request<Full<Bytes>> {
    Request::builder()
        .extension(trail.clone())
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn a_failure_before_the_first_byte_goes_on_to_the_next_target() {
    for first in [
        Does::Answer(500),
        Does::Answer(503),
        Does::Answer(429),
        Does::Answer(402),
        Does::Break,
    ] {
        let log = Log::default();
        let service = targets([("a", first), ("b", Does::Answer(200))], &log);
        let trail = Trail::new();

        let balance = BalanceLayer::new(in_order(["a", "b"])).layer(service);
        let response = balance.oneshot(request(&trail)).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "b"
        );
        assert_eq!(*log.lock().unwrap(), ["a", "b"]);
        let [a, b] = &trail.children()[..] else {
            panic!("two attempts")
        };
        assert_eq!(&*a.get::<Target>().unwrap().name, "a");
        assert!(a.get::<Superseded>().is_some() && b.get::<Superseded>().is_none());
        assert_eq!(b.get::<Attempt>().unwrap().status, Some(200));
        assert_eq!(&*trail.get::<Target>().unwrap().name, "b");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_not_tried_again() {
    for status in [400, 401, 403, 404, 409, 422] {
        let log = Log::default();
        let service = targets(
            [("a", Does::Answer(status)), ("b", Does::Answer(200))],
            &log,
        );

        let balance = BalanceLayer::new(in_order(["a", "b"])).layer(service);
        let response = balance.oneshot(request(&Trail::new())).await.unwrap();

        assert_eq!(response.status(), status);
        assert_eq!(*log.lock().unwrap(), ["a"]);
    }
}

#[tokio::test]
async fn the_last_failure_is_the_answer_when_attempts_or_targets_run_out() {
    for (attempts, tried) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
        let log = Log::default();
        let script = [("500", 500), ("502", 502), ("503", 503)];
        let service = targets(script.map(|(name, code)| (name, Does::Answer(code))), &log);
        let targets = script.map(|(name, _)| Target::new(name));

        let balance = BalanceLayer::new(targets).attempts(attempts).layer(service);
        let response = balance.oneshot(request(&Trail::new())).await.unwrap();

        let log = log.lock().unwrap();
        assert_eq!(log.len(), tried);
        assert_eq!(response.status().as_str(), log.last().unwrap());
    }
}

#[tokio::test]
async fn an_outage_is_not_multiplied() {
    let log = Log::default();
    let service = targets([("a", Does::Answer(500)), ("b", Does::Answer(500))], &log);
    let layer =
        BalanceLayer::new(["a", "b"].map(Target::new)).retry_budget(RetryBudget::new(0.2, 10));

    for _ in 0..1000 {
        layer
            .layer(service.clone())
            .oneshot(request(&Trail::new()))
            .await
            .unwrap();
    }

    assert!(log.lock().unwrap().len() <= 1000 + 10 + 200);
}

#[tokio::test]
async fn refusals_move_on_without_the_budget_and_the_one_that_passes_soonest_is_told() {
    let log = Log::default();
    let script = [
        ("a", Does::Refuse(30)),
        ("b", Does::Refuse(10)),
        ("c", Does::Refuse(20)),
    ];
    let service = targets(script, &log);
    let layer = BalanceLayer::new(["a", "b", "c"].map(Target::new))
        .attempts(1)
        .retry_budget(RetryBudget::new(0.0, 0));

    let response = layer
        .layer(service)
        .oneshot(request(&Trail::new()))
        .await
        .unwrap();

    assert_eq!(log.lock().unwrap().len(), 3);
    assert_eq!(response.headers()["retry-after"], "10");
}

#[tokio::test]
async fn a_real_failure_is_told_before_a_refusal() {
    let log = Log::default();
    let script = [("a", Does::Answer(502)), ("b", Does::Refuse(10))];
    let layer = BalanceLayer::new(in_order(["a", "b"]));

    let response = layer
        .layer(targets(script, &log))
        .oneshot(request(&Trail::new()))
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(*log.lock().unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_rejection_of_a_request_that_was_sent_uses_the_budget() {
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let timed_out = service_fn(move |request: Request<Full<Bytes>>| {
        *counted.lock().unwrap() += 1;
        request
            .extensions()
            .get::<Trail>()
            .unwrap()
            .set(Dispatch::Yes);
        let rejection =
            Rejection::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "too slow").about_target();
        let response: Response<Reply<Full<Bytes>>> = rejection.into_response(Wire::default());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let layer =
        BalanceLayer::new(["a", "b"].map(Target::new)).retry_budget(RetryBudget::new(0.0, 0));

    let response = layer
        .layer(timed_out)
        .oneshot(request(&Trail::new()))
        .await
        .unwrap();

    assert_eq!(
        (response.status(), *calls.lock().unwrap()),
        (StatusCode::GATEWAY_TIMEOUT, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_says_retry_after_is_left_alone_until_then() {
    let log = Log::default();
    let service = targets([("a", Does::Wait(429, 20)), ("b", Does::Answer(200))], &log);
    let layer = BalanceLayer::new(in_order(["a", "b"]));
    let send = async || {
        layer
            .layer(service.clone())
            .oneshot(request(&Trail::new()))
            .await
            .unwrap();
        std::mem::take(&mut *log.lock().unwrap())
    };

    assert_eq!(send().await, ["a", "b"]);
    advance(Duration::from_millis(19_999)).await;
    assert_eq!(send().await, ["b"]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(send().await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_out_the_answer_says_when_the_first_is_back() {
    let log = Log::default();
    let service = targets(
        [
            ("a", Does::Wait(503, 9)),
            ("b", Does::Wait(429, 1_000_000_000)),
        ],
        &log,
    );
    let layer = BalanceLayer::new(in_order(["a", "b"])).longest_break(Duration::from_secs(40));
    let send = async || {
        layer
            .layer(service.clone())
            .oneshot(request(&Trail::new()))
            .await
            .unwrap()
    };

    send().await;
    let first = send().await;
    assert_eq!(
        (first.status(), &first.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"9".parse().unwrap())
    );
    assert_eq!(
        first.extensions().get::<Rejection>().unwrap().code(),
        "targets_unavailable"
    );
    advance(Duration::from_secs(10)).await;
    log.lock().unwrap().clear();
    send().await;
    assert_eq!(*log.lock().unwrap(), ["a"]);
}

#[tokio::test]
async fn a_request_is_under_way_until_its_body_ends() {
    let log = Log::default();
    let service = targets([("a", Does::Answer(200)), ("b", Does::Answer(200))], &log);
    let pool = Pool::new(["a", "b"].map(Target::new)).strategy(Strategy::LeastBusy);
    let layer = BalanceLayer::by(move |_: &http::request::Parts| Some(pool.clone()));
    let send = async || {
        layer
            .layer(service.clone())
            .oneshot(request(&Trail::new()))
            .await
            .unwrap()
    };

    let first = send().await;
    let second = send().await;
    let mut called = log.lock().unwrap().clone();
    called.sort();
    assert_eq!(called, ["a", "b"], "two under way are at two targets");

    let free = vec![log.lock().unwrap()[0].clone()];
    drop(first.into_body().collect().await.unwrap());
    for _ in 0..5 {
        log.lock().unwrap().clear();
        drop(send().await);
        assert_eq!(*log.lock().unwrap(), free);
    }
    drop(second);
}

#[tokio::test]
async fn without_a_pool_the_answer_says_so() {
    let log = Log::default();
    let layer = BalanceLayer::by(|_: &http::request::Parts| None);

    let response = layer
        .layer(targets([], &log))
        .oneshot(request(&Trail::new()))
        .await
        .unwrap();

    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().code(),
        "no_target"
    );
}
