use std::{borrow::Cow, convert::Infallible, sync::mpsc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tollgate_core::{
    Trail,
    fact::{Cost, Dispatch, Failure, Lifetime, Phase, Usage},
};
use tower::service_fn;

use crate::support::{Shouter, ask, batched, request, shout, trail};

fn used(input: u64) -> Usage {
    Usage {
        input,
        ..Usage::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_used_is_shared_out_to_the_last_token_and_nano() {
    let service = batched(Shouter::default().service(|trail: &Trail, words: &str| {
        assert_eq!(trail.get::<Usage>(), None);
        trail.set(Dispatch::Yes);
        trail.set(used(11));
        trail.child().set(Cost::from_nanos(-7));
        trail.note("upstream_request_id", "r-1");
        shout(trail, words)
    }));
    let requests = [
        request("a", "1234567"),
        request("a", "12"),
        request("a", "1"),
    ];
    let trails = requests.each_ref().map(trail);

    ask(&service, requests).await;

    assert_eq!(
        trails.each_ref().map(|it| it.get::<Usage>().unwrap().input),
        [8, 2, 1]
    );
    assert_eq!(
        trails
            .each_ref()
            .map(|it| it.get::<Cost>().unwrap().nanos()),
        [-5, -1, -1]
    );
    for trail in trails {
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::Yes));
        assert_eq!(
            trail.notes()[0],
            (Cow::Borrowed("upstream_request_id"), "r-1".into())
        );
        assert_eq!(trail.notes()[1], (Cow::Borrowed("batch_members"), 3.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_that_nothing_was_sent_are_told_to_all() {
    let failure = Failure {
        code: Cow::Borrowed("connect_failed"),
        phase: Phase::Connect,
    };
    let fails = failure.clone();
    let service = batched(Shouter::default().service(move |trail: &Trail, _: &str| {
        trail.set(Dispatch::No);
        trail.set(fails.clone());
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        Ok::<_, Infallible>(response)
    }));
    let requests = [request("a", "1"), request("a", "2")];
    let trails = requests.each_ref().map(trail);

    ask(&service, requests).await;

    for trail in trails {
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::No));
        assert_eq!(trail.get::<Failure>(), Some(failure.clone()));
        assert_eq!(trail.sum::<Usage>(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_may_have_sent_it() {
    let service = batched(Shouter::default().service(shout));
    for requests in [
        vec![request("a", "1")],
        vec![request("a", "1"), request("a", "2")],
    ] {
        let trails: Vec<Trail> = requests.iter().map(trail).collect();

        match <[_; 2]>::try_from(requests) {
            Ok(two) => ask(&service, two).await,
            Err(one) => ask(&service, <[_; 1]>::try_from(one).unwrap()).await,
        };

        assert!(
            trails
                .iter()
                .all(|trail| trail.get() == Some(Dispatch::Yes))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_batch_cost_is_kept_beside_what_each_member_uses() {
    let service = batched(Shouter::default().service(|trail: &Trail, words: &str| {
        let refused = words.contains(',');
        trail.set(if refused { used(3) } else { used(100) });
        let mut response = Response::new(String::new());
        *response.status_mut() = if refused {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        Ok::<_, Infallible>(response)
    }));
    let requests = [request("a", "1"), request("a", "2")];
    let trails = requests.each_ref().map(trail);

    ask(&service, requests).await;

    assert_eq!(
        trails.map(|trail| trail.sum::<Usage>().unwrap().input),
        [102, 101]
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_go_together_live_as_long_as_the_first_to_end() {
    let (told, lifetimes) = mpsc::channel();
    let service = batched(service_fn(move |request: Request<Full<Bytes>>| {
        let _ = told.send(request.extensions().get::<Lifetime>().copied());
        async { Ok::<_, Infallible>(Response::new("A,B,C".to_owned())) }
    }));
    let now = Instant::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let lifetime = |send_by, end_by| Lifetime {
        send_by: after(send_by),
        end_by: after(end_by),
    };
    let mut requests = [request("a", "a"), request("a", "b"), request("a", "c")];
    requests[1].extensions_mut().insert(lifetime(10, 60));
    requests[2].extensions_mut().insert(lifetime(5, 600));

    ask(&service, requests).await;
    ask(&service, [request("a", "a"), request("a", "b")]).await;

    assert_eq!(lifetimes.recv(), Ok(Some(lifetime(5, 60))));
    assert_eq!(lifetimes.recv(), Ok(None));
}
