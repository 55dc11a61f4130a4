use std::convert::Infallible;

use http::{Response, StatusCode};
use tollgate_core::{
    About, Rejection, Trail,
    fact::Failure,
    testing::{Answer, Fault, Inner, Script, Step},
};
use tower::{Layer, ServiceExt};

use crate::support::{Shouter, ask, batched, layer, request, shout, texts, trail};

fn status(status: u16, words: &str) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(words.to_owned());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn a_bad_member_does_not_spoil_its_neighbours() {
    let shouter = Shouter::default();
    let picky = |trail: &Trail, words: &str| {
        if words.contains("bad") {
            status(400, "it is bad")
        } else {
            shout(trail, words)
        }
    };
    let service = layer().concurrency(2).layer(shouter.service(picky));

    let requests = [
        request("a", "1"),
        request("a", "bad"),
        request("a", "2"),
        request("a", "3"),
        request("a", "4"),
    ];
    let answers = ask(&service, requests).await;

    let (status, text, _) = answers[1].clone().unwrap();
    assert_eq!((status, &*text), (StatusCode::BAD_REQUEST, "it is bad"));
    let good = answers
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().0.is_success());
    assert_eq!(texts(good.collect()), ["1", "2", "3", "4"]);
    assert_eq!(shouter.asked().len(), 6, "the batch, and then each");
    assert_eq!(shouter.most_inside(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_about_all_is_said_to_all_and_asked_once() {
    for code in [301, 401, 403, 408, 429, 500, 503] {
        let shouter = Shouter::default();
        let service = batched(shouter.service(move |_: &Trail, _: &str| status(code, "said once")));

        let answers = ask(&service, [request("a", "1"), request("a", "2")]).await;

        for answer in answers {
            let (status, text, _) = answer.unwrap();
            assert_eq!((status.as_u16(), &*text), (code, "said once"));
        }
        assert_eq!(shouter.asked(), ["1,2"], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_one_member_and_the_others_are_told_of_it() {
    #[derive(Debug)]
    struct NotClone;
    let shouter = Shouter::default();
    let service = batched(shouter.service(|_: &Trail, _: &str| Err(NotClone)));

    let answers = ask(
        &service,
        [request("a", "1"), request("a", "2"), request("a", "3")],
    )
    .await;

    let errors = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(errors, 1);
    for (status, text, _) in answers.into_iter().flatten() {
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(text.contains("batch_failed"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_one_member_and_the_others_are_told_of_it() {
    let service = batched(Inner::new(Answer::fails(Fault::Panic)));
    let ask = |words| tokio::spawn(service.clone().oneshot(request("a", words)));

    let (first, second) = (ask("1"), ask("2"));

    let answers = [first.await, second.await];
    let panics = answers
        .iter()
        .filter(|answer| answer.as_ref().is_err_and(tokio::task::JoinError::is_panic));
    assert_eq!(panics.count(), 1);
    let told = answers.into_iter().flatten().next().unwrap().unwrap();
    assert_eq!(told.status(), StatusCode::BAD_GATEWAY);
    let rejection = told.extensions().get::<Rejection>().unwrap();
    assert_eq!(
        (rejection.code(), rejection.about()),
        ("batch_failed", About::Target)
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_taken_apart_is_an_error_for_all() {
    for (body, code) in [
        (
            Script::new([Step::Data(b"only one")]),
            "batch_answer_invalid",
        ),
        (Script::new([Step::Data(b"a,b,c")]), "batch_answer_invalid"),
        (
            Script::new([Step::Data(b"a,"), Step::Wait, Step::Error]),
            "batch_answer_cut",
        ),
        (
            Script::new([Step::Data(b"0123456789"), Step::Data(b",")]),
            "batch_answer_too_large",
        ),
    ] {
        let service = layer().max_answer(10).layer(Inner::new(Answer::ok(body)));
        let requests = [request("a", "1"), request("a", "2")];
        let trails = [trail(&requests[0]), trail(&requests[1])];

        let answers = requests.map(|request| service.clone().oneshot(request));

        for answer in futures_util::future::join_all(answers).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
            assert_eq!(answer.extensions().get::<Rejection>().unwrap().code(), code);
        }
        assert!(
            trails
                .iter()
                .all(|trail| trail.get::<Failure>().unwrap().code == code)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_the_answer_goes_to_all_but_for_its_length() {
    let service = batched(Shouter::default().service(|_: &Trail, words: &str| {
        let response = Response::builder()
            .header("content-length", words.len())
            .header("x-id", "7");
        Ok::<_, Infallible>(response.body(words.to_owned()).unwrap())
    }));

    let answers =
        [request("a", "1"), request("a", "2")].map(|request| service.clone().oneshot(request));

    for answer in futures_util::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!(answer.headers()["x-id"], "7");
        assert!(!answer.headers().contains_key("content-length"));
        assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(1));
    }
}
