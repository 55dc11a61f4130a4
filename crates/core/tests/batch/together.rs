use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::poll_immediate;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance};
use tollgate_core::{
    BatchLayer, GateLayer, Payload, PayloadLayer, Trail,
    testing::{Answer, Contract, Inner, Recorder, Script, Step},
};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit};

use crate::support::{ANSWER, Shouter, WINDOW, Words, ask, batched, layer, request, shout, texts};

#[tokio::test(start_paused = true)]
async fn requests_of_one_key_within_the_window_go_as_one_and_come_back_apart() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));

    let answers = ask(
        &service,
        [
            request("a", "one"),
            request("a", "two"),
            request("a", "three"),
        ],
    )
    .await;

    let took = answers[0].as_ref().unwrap().2;
    assert_eq!(texts(answers), ["ONE", "TWO", "THREE"]);
    assert_eq!(shouter.asked(), ["one,two,three"]);
    assert_eq!(took, WINDOW + ANSWER);
}

#[tokio::test(start_paused = true)]
async fn another_key_is_another_batch() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));

    let requests = [
        request("a", "one"),
        request("b", "two"),
        request("a", "three"),
        request("b", "four"),
    ];
    let answers = ask(&service, requests).await;

    assert_eq!(texts(answers), ["ONE", "TWO", "THREE", "FOUR"]);
    let mut asked = shouter.asked();
    asked.sort();
    assert_eq!(asked, ["one,three", "two,four"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_wait() {
    let shouter = Shouter::default();
    let service = layer().max_items(3).layer(shouter.service(shout));

    let answers = ask(&service, [request("a", "one two"), request("a", "three")]).await;

    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().2 == ANSWER)
    );
    assert_eq!(shouter.asked(), ["one two,three"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_begins_another_batch() {
    let shouter = Shouter::default();
    let by_items = layer().max_items(3).layer(shouter.service(shout));
    let answers = ask(
        &by_items,
        [request("a", "1 2"), request("a", "3 4"), request("a", "5")],
    )
    .await;
    assert_eq!(texts(answers), ["1 2", "3 4", "5"]);
    let mut asked = shouter.asked();
    asked.sort();
    assert_eq!(asked, ["1 2", "3 4,5"]);

    let shouter = Shouter::default();
    let by_bytes = layer().max_bytes(8).layer(shouter.service(shout));
    let answers = ask(
        &by_bytes,
        [
            request("a", "12345"),
            request("a", "6789"),
            request("a", "1234"),
        ],
    )
    .await;
    assert_eq!(texts(answers), ["12345", "6789", "1234"]);
    let mut asked = shouter.asked();
    asked.sort();
    assert_eq!(asked, ["12345", "6789,1234"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_the_window_is_not_in_the_batch() {
    let shouter = Shouter::default();
    let service = batched(shouter.service(shout));
    let late = async {
        tokio::time::sleep(WINDOW * 2).await;
        ask(&service, [request("a", "late")]).await
    };

    let (early, late) =
        futures_util::future::join(ask(&service, [request("a", "1"), request("a", "2")]), late)
            .await;

    assert_eq!(
        (texts(early), texts(late)),
        (vec!["1".into(), "2".into()], vec!["LATE".into()])
    );
    assert_eq!(shouter.asked(), ["1,2", "late"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_does_not_read_or_what_is_full_by_itself_does_not_wait() {
    let shouter = Shouter::default();
    let service = layer().max_items(2).layer(shouter.service(shout));
    let mut unread = request("a", "unread");
    unread.headers_mut().remove("room");
    let mut without_payload = request("a", "streamed");
    without_payload.extensions_mut().remove::<Payload>();

    let answers = ask(&service, [unread, without_payload, request("a", "1 2")]).await;

    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().2 == ANSWER)
    );
    assert_eq!(shouter.asked(), ["unread", "streamed", "1 2"]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_most_open_batches_requests_go_alone() {
    let shouter = Shouter::default();
    let service = layer().max_open(1).layer(shouter.service(shout));

    let answers = ask(
        &service,
        [request("a", "1"), request("b", "2"), request("a", "3")],
    )
    .await;

    assert_eq!(answers[1].as_ref().unwrap().2, ANSWER);
    assert_eq!(texts(answers), ["1", "2", "3"]);
    assert_eq!(shouter.asked(), ["2", "1,3"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_passes_as_it_came_and_its_answer_streams() {
    let seen = Arc::new(Mutex::new(None));
    let writes = seen.clone();
    let inner = tower::service_fn(move |request: Request<Full<Bytes>>| {
        let trail = request.extensions().get::<Trail>().unwrap().clone();
        trail.note("here", true);
        *writes.lock().unwrap() = Some(request);
        let body = Script::new([
            Step::Data(b"a"),
            Step::Wait,
            Step::Data(b"b"),
            Step::Trailers,
        ]);
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let (sent, began) = (request("a", "one"), Instant::now());
    let (headers, trail) = (
        sent.headers().clone(),
        sent.extensions().get::<Trail>().unwrap().clone(),
    );

    let response = layer().layer(inner).oneshot(sent).await.unwrap();

    assert_eq!(began.elapsed(), WINDOW);
    let mut body = response.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "a"
    );
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "b"
    );
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!(seen.headers(), &headers);
    assert_eq!(seen.into_body().collect().await.unwrap().to_bytes(), "one");
    assert_eq!(trail.notes().len(), 1, "it has the trail of its request");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_company_holds_no_readiness() {
    let shouter = Shouter::default();
    let service = batched(ConcurrencyLimit::new(shouter.service(shout), 1));

    let answers = ask(
        &service,
        [request("a", "1"), request("a", "2"), request("a", "3")],
    )
    .await;

    assert_eq!(texts(answers), ["1", "2", "3"]);
    assert_eq!(shouter.asked(), ["1,2,3"]);
}

#[test]
fn requests_that_are_not_batched_keep_the_contract() {
    Contract::new(|inner| PayloadLayer::new().layer(BatchLayer::new(Words).layer(inner))).check();
}

/// The contract for those that wait.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_whenever_nothing_stays_held_and_the_other_is_answered() {
    for polls in 0..12 {
        let recorder = Recorder::new();
        let body = Script::new([Step::Wait, Step::Data(b"x,y"), Step::Wait]);
        let watched = GateLayer::new(recorder.clone()).layer(Inner::new(Answer::ok(body).after(2)));
        let service = batched(ConcurrencyLimit::new(watched, 1));
        let [mut leaver, mut stayer] =
            ["one", "two"].map(|words| Box::pin(service.clone().oneshot(request("a", words))));
        let mut answer = None;
        for _ in 0..polls {
            if poll_immediate(&mut leaver).await.is_some() {
                break;
            }
            answer = poll_immediate(&mut stayer).await;
            if answer.is_some() {
                break;
            }
            advance(Duration::from_millis(2)).await;
        }

        drop(leaver);

        let answer = match answer {
            Some(answer) => answer,
            None => stayer.await,
        };
        assert!(
            answer.unwrap().into_body().collect().await.is_ok(),
            "after {polls} polls"
        );
        assert_eq!(recorder.open(), 0, "after {polls} polls");
        assert_eq!(recorder.ends().len(), 1, "after {polls} polls");
        let next = service.oneshot(request("b", "next")).await.unwrap();
        assert!(
            next.into_body().collect().await.is_ok(),
            "after {polls} polls"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_get_each_its_own_answer() {
    let inner = tower::service_fn(async |request: Request<Full<Bytes>>| {
        tokio::task::yield_now().await;
        let words = request.into_body().collect().await.unwrap().to_bytes();
        let words = String::from_utf8(words.to_vec()).unwrap();
        Ok::<_, Infallible>(Response::new(words))
    });
    let service = layer().max_items(7).layer(inner);
    let mut tasks = Vec::new();
    for index in 0..600 {
        let service = service.clone();
        let words: &'static str = format!("{index}").leak();
        tasks.push(tokio::spawn(async move {
            let answer = service.oneshot(request(["a", "b"][index % 2], words));
            if index % 5 == 0 {
                let _ = poll_immediate(answer).await; // It leaves.
                return;
            }
            let body = answer
                .await
                .unwrap()
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes();
            assert_eq!(body, words);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
