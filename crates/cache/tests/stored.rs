//! What is kept, and what never is.

#[path = "support/origin.rs"]
mod origin;

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use Step::{Data, Error, Trailers, Wait};
use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, header};
use http_body::Body;
use origin::{get, hello, layer, origin, post, send, tenant, twice, with};
use tollgate_cache::{CacheLayer, CachePolicy};
use tollgate_core::{
    Limits, Rejection, Trail,
    fact::{Failure, Phase, Superseded},
    testing::{Script, Step},
};
use tower::{Layer, Service};

fn answer(
    change: impl Fn(&mut Response<Script>) + Clone + Send,
) -> impl Fn() -> Response<Script> + Clone + Send {
    move || {
        let mut response = hello();
        change(&mut response);
        response
    }
}

async fn assert_not_kept(what: &str, answer: impl Fn() -> Response<Script> + Clone + Send) {
    let seen = twice(move |_| answer(), || get("/")).await;
    assert_eq!(seen, ("miss".into(), 2), "{what}");
}

#[tokio::test]
async fn only_a_plain_200_is_kept() {
    for status in [201, 204, 206, 301, 304, 400, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_not_kept(status.as_str(), answer(move |it| *it.status_mut() = status)).await;
    }
}

#[tokio::test]
async fn a_head_that_forbids_it_is_not_kept() {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cache-control", "max-age=60, no-cache"),
        ("cache-control", "max-age=0"),
        ("cache-control", "private"),
        ("vary", "*"),
        ("vary", "accept, x-unknown"),
        ("vary", "cookie"),
        ("set-cookie", "a=b"),
        ("grpc-status", "8"),
        ("content-length", "4"),
        ("content-length", "6"),
        ("content-length", "five"),
    ] {
        let head = answer(move |it| {
            it.headers_mut().insert(name, value.parse().unwrap());
        });
        assert_not_kept(&format!("{name}: {value}"), head).await;
    }
    let twofold = answer(|it| {
        for length in ["5", "5"] {
            it.headers_mut()
                .append("content-length", length.parse().unwrap());
        }
    });
    assert_not_kept("two lengths", twofold).await;
    let late = answer(|it| {
        it.headers_mut()
            .insert("cache-control", "max-age=60".parse().unwrap());
        it.headers_mut().insert("age", "60".parse().unwrap());
    });
    assert_not_kept("an age past its lifetime", late).await;
    let refusal = answer(|it| {
        let rejection = Rejection::new(StatusCode::OK, "refused", "reworded as a success");
        it.extensions_mut().insert(rejection);
    });
    assert_not_kept("a refusal", refusal).await;
}

#[tokio::test]
async fn a_head_that_allows_it_is_kept() {
    for (name, value) in [
        ("vary", "Accept, accept-encoding, ORIGIN"),
        ("content-length", "5"),
        ("cache-control", "public, max-age=60"),
    ] {
        let head = answer(move |it| {
            it.headers_mut().insert(name, value.parse().unwrap());
        });
        assert_eq!(
            twice(move |_| head(), || get("/")).await.0,
            "hit",
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn a_private_answer_is_kept_for_a_tenant() {
    let head = answer(|it| {
        it.headers_mut()
            .insert("cache-control", "private".parse().unwrap());
    });
    let (service, calls) = origin(move |_| head());
    let service = layer().by(tenant).layer(service);

    for _ in 0..2 {
        send(&service, with(get("/"), "x-tenant", "a")).await;
    }

    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn what_an_answer_varies_by_can_be_made_part_of_the_key() {
    let head = answer(|it| {
        it.headers_mut()
            .insert("vary", "X-Version".parse().unwrap());
    });
    let (service, calls) = origin(move |_| head());
    let service = layer()
        .vary([HeaderName::from_static("x-version")])
        .layer(service);

    for version in ["1", "1", "2"] {
        send(&service, with(get("/"), "x-version", version)).await;
    }

    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn bodies_that_end_well_are_kept_and_others_are_not() {
    for (body, kept) in [
        (Script::empty(), true),
        (Script::new([]), true),
        (Script::known([Data(b"known")]), true),
        (
            Script::new([Data(b"a"), Wait, Data(b""), Data(b"bc"), Wait]),
            true,
        ),
        (Script::new([Data(b"a"), Trailers]), false),
        (Script::known([Data(b"a"), Trailers]), false),
        (Script::new([Trailers]), false),
        (Script::new([Data(b"a"), Wait, Error]), false),
    ] {
        let case = format!("{body:?}");
        let (_, calls) = twice(move |_| Response::new(body.clone()), || get("/")).await;
        assert_eq!(calls, if kept { 1 } else { 2 }, "{case}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_passes_and_is_not_kept() {
    for steps in [
        vec![Data(b"12345"), Data(b"6789")],
        vec![Data(b"12345"), Data(b"678")],
    ] {
        let length: usize = if steps[1] == Data(b"678") { 8 } else { 9 };
        for known in [false, true] {
            let steps = steps.clone();
            let (service, calls) = origin(move |_| {
                let steps = steps.clone();
                Response::new(if known {
                    Script::known(steps)
                } else {
                    Script::new(steps)
                })
            });
            let service = CacheLayer::new(CachePolicy::new().max_entry(8)).layer(service);

            for _ in 0..2 {
                let body = send(&service, get("/")).await.body.unwrap();
                assert_eq!(body.len(), length);
            }

            assert_eq!(calls.count(), if length > 8 { 2 } else { 1 });
        }
    }
}

#[tokio::test]
async fn many_small_frames_are_put_together_in_order() {
    let (service, calls) = origin(|_| {
        let digits = [
            &b"0"[..],
            b"1",
            b"2",
            b"3",
            b"4",
            b"5",
            b"6",
            b"7",
            b"8",
            b"9",
        ];
        Response::new(Script::new((0..1000).map(|at| Data(digits[at % 10]))))
    });
    let service = layer().layer(service);
    send(&service, get("/")).await;

    let hit = send(&service, get("/")).await;

    assert_eq!(calls.count(), 1);
    assert_eq!(hit.body.unwrap(), "0123456789".repeat(100));
}

#[tokio::test]
async fn a_failure_that_only_the_trail_knows_is_not_kept() {
    let failure = || Failure {
        code: "stream_error".into(),
        phase: Phase::Body,
    };
    let cases: [(&str, fn(&Trail, Failure), usize); 4] = [
        ("its own", |trail, failure| trail.set(failure), 2),
        (
            "the last attempt's",
            |trail, failure| trail.child().set(failure),
            2,
        ),
        (
            "that of an attempt before the last",
            |trail, failure| {
                trail.child().set(failure);
                drop(trail.child());
            },
            1,
        ),
        (
            "under an attempt that was superseded",
            |trail, failure| {
                trail.child().set(failure);
                trail.child().set(Superseded);
            },
            2,
        ),
    ];
    for (case, mark, expected) in cases {
        let (service, calls) = origin(move |request| {
            mark(request.extensions().get::<Trail>().unwrap(), failure());
            hello()
        });
        let service = layer().layer(service);
        send(&service, get("/")).await;
        send(&service, get("/")).await;

        assert_eq!(calls.count(), expected, "{case}");
    }
}

#[tokio::test]
async fn what_belongs_to_one_exchange_is_not_replayed() {
    const NAMES: [&str; 20] = [
        "age",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "x-request-id",
        "request-id",
        "x-amzn-requestid",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "x-ratelimit-remaining",
        "anthropic-ratelimit-tokens-remaining",
        "server-timing",
        "x-tollgate-cost",
        "x-named",
        "authentication-info",
        "x-rate-limit-reset",
    ];
    let head = answer(|it| {
        it.extensions_mut().insert(Limits::new());
        for name in NAMES {
            let value = if name == "connection" {
                "close, X-Named"
            } else {
                "0"
            };
            it.headers_mut().insert(name, value.parse().unwrap());
        }
        it.headers_mut().insert(
            header::DATE,
            "Sat, 29 Oct 1994 19:43:31 GMT".parse().unwrap(),
        );
    });
    let (service, _) = origin(move |_| head());
    let service = layer().layer(service);
    let miss = send(&service, get("/")).await;

    let response = service.clone().call(get("/")).await.unwrap();

    assert!(response.extensions().get::<Limits>().is_none());
    for name in NAMES {
        assert!(
            miss.headers.contains_key(name),
            "{name} was taken from the first answer"
        );
        let there = response.headers().contains_key(name);
        assert_eq!(there, name == "age", "{name}");
    }
    assert!(response.headers().contains_key(header::DATE));
}

#[tokio::test]
async fn a_caller_who_leaves_at_any_point_leaves_nothing() {
    let body = [Wait, Data(b"a"), Wait, Data(b"b"), Wait];
    for polls in 0..7 {
        let (service, calls) = origin(move |_| Response::new(Script::new(body)));
        let service = layer().layer(service);
        let mut left = polls;
        let mut cx = Context::from_waker(Waker::noop());
        {
            let mut future = pin!(service.clone().call(get("/")));
            while left > 0 {
                left -= 1;
                if let Poll::Ready(response) = future.as_mut().poll(&mut cx) {
                    let mut body = pin!(response.unwrap().into_body());
                    while left > 0 {
                        left -= 1;
                        let _ = body.as_mut().poll_frame(&mut cx);
                    }
                    break;
                }
            }
        }

        let seen = send(&service, get("/")).await;

        assert_eq!((&*seen.cache, calls.count()), ("miss", 2), "{polls} polls");
    }
}

#[tokio::test]
async fn all_answers_together_stay_within_bounds() {
    let (service, calls) = origin(|_| hello());
    let service = CacheLayer::new(CachePolicy::new().max_bytes(50_000)).layer(service);
    for body in 0..2000 {
        send(&service, post("/", &body.to_string())).await;
    }
    assert_eq!(calls.count(), 2000);

    let mut hits = 0;
    for body in 0..2000 {
        let seen = send(
            &service,
            with(
                post("/", &body.to_string()),
                "cache-control",
                "only-if-cached",
            ),
        )
        .await;
        hits += usize::from(seen.cache == "hit");
    }

    assert!(
        (1..120).contains(&hits),
        "{hits} answers of some 450 bytes are kept in 50,000"
    );
}

/// A frame passes when it is there, not when the body is complete.
#[tokio::test]
async fn nothing_waits_for_the_end() {
    let (service, _) =
        origin(|_| Response::new(Script::new([Data(b"first"), Wait, Data(b"last")])));
    let response = layer().layer(service).call(get("/")).await.unwrap();
    let mut body = pin!(response.into_body());
    let mut cx = Context::from_waker(Waker::noop());

    let first = poll(body.as_mut(), &mut cx);

    assert_eq!(first.as_deref(), Some(&b"first"[..]));
    assert!(body.as_mut().poll_frame(&mut cx).is_pending());
}

fn poll<B: Body<Data = Bytes>>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Option<Bytes> {
    match body.poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        _ => None,
    }
}
