use std::time::Duration;

use futures_util::future::poll_immediate;
use tokio::time::{Instant, advance};
use tollgate_core::{
    Trail,
    fact::{Dispatch, Usage},
};
use tower::ServiceExt;

use crate::support::{ANSWER, Shouter, WINDOW, ask, batched, request, shout, texts, trail};

#[tokio::test(start_paused = true)]
async fn who_leaves_while_it_waits_is_not_sent() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));
    let requests = [request("a", "first"), request("a", "second")];
    let trails = requests.each_ref().map(trail);
    // The first one has opened the batch, and the second one joined it.
    let [mut first, mut second] =
        requests.map(|request| Box::pin(service.clone().oneshot(request)));
    assert!(poll_immediate(&mut first).await.is_none());
    assert!(poll_immediate(&mut second).await.is_none());

    drop(first);
    let answers = ask(&service, [request("a", "third")]).await;
    drop(second);

    assert_eq!(texts(answers), ["THIRD"]);
    assert_eq!(shouter.asked(), ["second,third"]);
    assert_eq!(trails[0].get::<Dispatch>(), Some(Dispatch::No));
    assert_eq!(trails[1].get::<Dispatch>(), Some(Dispatch::Yes));
}

#[tokio::test(start_paused = true)]
async fn when_all_leave_before_the_window_ends_nothing_is_sent_and_the_next_one_begins_anew() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));
    let mut only = Box::pin(service.clone().oneshot(request("a", "gone")));
    assert!(poll_immediate(&mut only).await.is_none());
    advance(Duration::from_millis(2)).await;
    drop(only);
    let began = Instant::now();

    let answers = ask(&service, [request("a", "next")]).await;

    assert_eq!(texts(answers), ["NEXT"]);
    assert_eq!(shouter.asked(), ["next"]);
    assert_eq!(began.elapsed(), WINDOW + ANSWER, "a window of its own");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_batch_that_is_out_counts_as_sent_and_pays_its_share() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(|trail: &Trail, words: &str| {
        trail.set(Usage {
            input: 10,
            ..Usage::default()
        });
        shout(trail, words)
    }));
    let requests = [request("a", "12"), request("a", "123")];
    let trails = requests.each_ref().map(trail);
    let [mut first, mut second] =
        requests.map(|request| Box::pin(service.clone().oneshot(request)));
    assert!(poll_immediate(&mut first).await.is_none());
    assert!(poll_immediate(&mut second).await.is_none());
    advance(WINDOW).await;
    assert!(poll_immediate(&mut first).await.is_none());
    assert_eq!(shouter.asked(), ["12,123"]);

    drop(first); // It has moved the call so far.
    assert_eq!(trails[0].get::<Dispatch>(), Some(Dispatch::Yes));
    let response = second.await.unwrap();

    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "123");
    assert_eq!(
        trails.map(|trail| trail.get::<Usage>().unwrap().input),
        [4, 6]
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_call_is_cancelled_and_what_it_used_is_known_at_once() {
    struct OnDrop(Trail);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(Usage {
                input: 9,
                estimated: true,
                ..Usage::default()
            });
        }
    }
    let inner = tower::service_fn(
        |request: http::Request<http_body_util::Full<bytes::Bytes>>| {
            let meter = OnDrop(trail(&request));
            async move {
                let _meter = meter;
                std::future::pending::<Result<http::Response<String>, std::convert::Infallible>>()
                    .await
            }
        },
    );
    let service = batched(inner);
    let requests = [request("a", "1"), request("a", "2")];
    let trails = requests.each_ref().map(trail);
    let [mut first, mut second] =
        requests.map(|request| Box::pin(service.clone().oneshot(request)));
    assert!(poll_immediate(&mut first).await.is_none());
    assert!(poll_immediate(&mut second).await.is_none());
    advance(WINDOW).await;
    assert!(poll_immediate(&mut second).await.is_none());

    drop(first);
    assert_eq!(trails[1].get::<Usage>(), None, "the second one still waits");
    drop(second);

    assert_eq!(
        trails.map(|trail| trail.get::<Usage>().unwrap().input),
        [5, 4]
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_nobody_is_inside() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));
    let mut members =
        ["1", "2"].map(|words| Box::pin(service.clone().oneshot(request("a", words))));
    for member in &mut members {
        assert!(poll_immediate(member).await.is_none());
    }
    advance(WINDOW).await;
    assert!(poll_immediate(&mut members[0]).await.is_none());
    assert_eq!(shouter.inside(), 1);

    drop(members);

    assert_eq!(shouter.inside(), 0);
}
