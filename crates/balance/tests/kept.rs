//! What becomes of an answer while the next target is tried.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tollgate_balance::BalanceLayer;
use tollgate_core::{
    GateLayer, Outcome, Rejection, Reply, Trail, Wire,
    fact::{Superseded, Target},
    testing::Recorder,
};
use tower::{Layer, ServiceExt, service_fn};

/// A body of so many pieces, which then ends or never does.
struct Pieces {
    left: usize,
    ends: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left > 0 {
            self.left -= 1;
            let piece = Bytes::from_static(&[b'x'; 1 << 10]);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.ends {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}

/// Asks two targets behind a recording gate: the first fails with this body, the second refuses if it is to. Returns the
/// answer's status and body, the trail, and which ends the gate had heard when the second was asked.
async fn ask(pieces: usize, ends: bool, refuses: bool) -> (StatusCode, Bytes, Trail, Vec<Outcome>) {
    let recorder = Recorder::new();
    let heard = Arc::<Mutex<Vec<Outcome>>>::default();
    let (log, inside) = (Arc::clone(&heard), recorder.clone());
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        let target = request.extensions().get::<Target>().unwrap().clone();
        let response = if &*target.name == "first" {
            let mut response = Response::new(Reply::inner(Pieces { left: pieces, ends }));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        } else {
            *log.lock().unwrap() = inside.ends();
            match refuses {
                true => Rejection::new(StatusCode::TOO_MANY_REQUESTS, "spent", "spent")
                    .into_response(Wire::default()),
                false => Response::new(Reply::full("second")),
            }
        };
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let targets = [
        Target::new("first").with_weight(1),
        Target::new("second").with_weight(0),
    ];
    let balance = BalanceLayer::new(targets).layer(GateLayer::new(recorder).layer(service));
    let trail = Trail::new();
    let request = Request::builder().extension(trail.clone());

    let response = balance
        .oneshot(request.body(Full::default()).unwrap())
        .await
        .unwrap();

    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let heard = heard.lock().unwrap().clone();
    (status, body, trail, heard)
}

#[tokio::test]
async fn nothing_is_held_for_an_answer_that_is_kept() {
    let (status, body, trail, heard) = ask(3, true, false).await;

    assert_eq!((status, &body[..]), (StatusCode::OK, &b"second"[..]));
    assert_eq!(heard, [Outcome::Completed]);
    assert!(trail.children()[0].get::<Superseded>().is_some());
}

#[tokio::test]
async fn a_kept_answer_is_given_whole_if_no_better_one_comes() {
    let (status, body, trail, heard) = ask(3, true, true).await;

    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, [b'x'; 3 << 10][..]);
    assert_eq!(heard, [Outcome::Completed]);
    let marks = trail.children();
    assert!(marks[0].get::<Superseded>().is_none() && marks[1].get::<Superseded>().is_some());
    assert_eq!(&*trail.get::<Target>().unwrap().name, "first");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_long_or_slow_is_dropped_and_its_status_told() {
    for (pieces, ends) in [(65, true), (3, false)] {
        let started = Instant::now();

        let (status, body, _, heard) = ask(pieces, ends, true).await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("target_failed"), "{body}");
        assert_eq!(heard, [Outcome::Cancelled], "{pieces}");
        assert!(started.elapsed() <= Duration::from_secs(1));
    }
}
