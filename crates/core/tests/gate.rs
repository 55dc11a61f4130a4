//! What gates and their observers promise.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tollgate_core::{
    GateLayer, Observer, Outcome, Rejection, Reply, gate_fn,
    testing::{Answer, Fault, Inner, Recorder, Script, Step},
};
use tower::{Layer, Service, ServiceExt, service_fn};

type Heard = (Vec<Outcome>, Vec<u16>, usize);

/// Sends a request through a recorder, reads as many frames as `frames` says, and tells what was heard.
async fn hear(method: Method, answer: Answer, frames: usize) -> Heard {
    let recorder = Recorder::new();
    let service = GateLayer::new(recorder.clone()).layer(Inner::new(answer));
    let mut request = Request::new(Script::empty());
    *request.method_mut() = method;
    if let Ok(response) = service.oneshot(request).await {
        let mut body = response.into_body();
        for _ in 0..frames {
            if body.is_end_stream() || !matches!(body.frame().await, Some(Ok(_))) {
                break;
            }
        }
    }
    (recorder.ends(), recorder.heads(), recorder.frames())
}

#[tokio::test]
async fn the_end_is_heard_once_whatever_ends_the_answer() {
    use Outcome::{Cancelled, Completed, Failed};
    use Step::{Data, Error, Trailers};
    let ok = |body| Answer::ok(body);
    let no_content = Answer::ok(Script::empty()).status(StatusCode::NO_CONTENT);
    let all = usize::MAX;
    let cases = [
        ("empty at birth", Method::GET, no_content, 0, Completed, 0),
        (
            "HEAD",
            Method::HEAD,
            ok(Script::new([Data(b"a")])),
            0,
            Completed,
            0,
        ),
        (
            "known length",
            Method::GET,
            ok(Script::known([Data(b"a")])),
            1,
            Completed,
            1,
        ),
        (
            "stream",
            Method::GET,
            ok(Script::new([Data(b"a"), Data(b"b")])),
            all,
            Completed,
            2,
        ),
        (
            "trailers",
            Method::GET,
            ok(Script::new([Data(b"a"), Trailers])),
            all,
            Completed,
            2,
        ),
        (
            "last frame known",
            Method::GET,
            ok(Script::known([Trailers])),
            1,
            Completed,
            1,
        ),
        (
            "body error",
            Method::GET,
            ok(Script::new([Data(b"a"), Error])),
            all,
            Failed,
            1,
        ),
        (
            "mid-body drop",
            Method::GET,
            ok(Script::new([Data(b"a"), Data(b"b")])),
            1,
            Cancelled,
            1,
        ),
        (
            "drop before the body",
            Method::GET,
            ok(Script::new([Data(b"a")])),
            0,
            Cancelled,
            0,
        ),
        (
            "error",
            Method::GET,
            Answer::fails(Fault::Error),
            all,
            Failed,
            0,
        ),
    ];
    for (case, method, answer, frames, end, heard) in cases {
        let heads = usize::from(answer.head.is_ok());

        let (ends, statuses, seen) = hear(method, answer, frames).await;

        assert_eq!(
            (ends, statuses.len(), seen),
            (vec![end], heads, heard),
            "{case}"
        );
    }
}

#[test]
fn a_panic_inside_is_heard_as_a_failure() {
    let panics = [
        Answer::fails(Fault::PanicInCall),
        Answer::fails(Fault::Panic),
        Answer::ok(Script::new([Step::Panic])),
    ];
    for answer in panics {
        let recorder = Recorder::new();
        let mut service = GateLayer::new(recorder.clone()).layer(Inner::new(answer.clone()));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let run = AssertUnwindSafe(|| {
            let _ = Service::<Request<Script>>::poll_ready(&mut service, &mut cx);
            let mut future = Box::pin(service.call(Request::new(Script::empty())));
            let response = loop {
                if let Poll::Ready(response) = future.as_mut().poll(&mut cx) {
                    break response.unwrap();
                }
            };
            let mut body = Box::pin(response.into_body());
            while body.as_mut().poll_frame(&mut cx).is_pending() {}
        });

        catch_unwind(run).expect_err("the panic goes on to whoever called");

        assert_eq!(recorder.ends(), [Outcome::Failed], "{answer:?}");
    }
}

#[tokio::test]
async fn a_panic_inside_a_spawned_task_is_heard_although_the_task_outlives_it() {
    let recorder = Recorder::new();
    let inner = Inner::new(Answer::fails(Fault::Panic));
    let service = GateLayer::new(recorder.clone()).layer(inner);

    let task = tokio::spawn(service.oneshot(Request::new(Script::empty())));

    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(recorder.ends(), [Outcome::Failed]);
}

#[tokio::test]
async fn inner_observers_hear_before_outer_ones() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = |name: &'static str| {
        let order = Arc::clone(&order);
        GateLayer::new(gate_fn(move |_| {
            let order = Arc::clone(&order);
            Ok(move |outcome: Outcome| order.lock().unwrap().push((name, outcome)))
        }))
    };
    let service = |answer| gate("outer").layer(gate("inner").layer(Inner::new(answer)));
    let answer = Answer::ok(Script::new([Step::Data(b"a"), Step::Data(b"b")])).after(1);

    let response = service(answer.clone())
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();
    drop(response.into_body().collect().await.unwrap());
    let response = service(answer.clone())
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();
    drop(response);
    let mut pending = Box::pin(service(answer).oneshot(Request::new(Script::empty())));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(pending.as_mut().poll(&mut cx).is_pending());
    drop(pending);

    let heard: Vec<_> = order.lock().unwrap().clone();
    let pair = |outcome| [("inner", outcome), ("outer", outcome)];
    let expected = [Outcome::Completed, Outcome::Cancelled, Outcome::Cancelled].map(pair);
    assert_eq!(heard, expected.concat());
}

/// Panics wherever it can.
struct Clumsy(Arc<AtomicUsize>);

impl Observer for Clumsy {
    fn answered(&mut self, _: &mut response::Parts) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in answered");
    }

    fn frame(&mut self, _: &Frame<Bytes>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in frame");
    }

    fn ended(self, _: Outcome) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in ended");
    }
}

#[tokio::test]
async fn an_observer_that_panics_costs_nobody_else_anything() {
    let panics = Arc::new(AtomicUsize::new(0));
    let outside = Recorder::new();
    let clumsy = {
        let panics = Arc::clone(&panics);
        gate_fn(move |_| Ok(Clumsy(Arc::clone(&panics))))
    };
    let inner = Inner::new(Answer::ok(Script::new([Step::Data(b"a")])));
    let service = GateLayer::new(outside.clone()).layer(GateLayer::new(clumsy).layer(inner));

    let response = service
        .clone()
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();

    assert_eq!(body, "a");
    assert_eq!(panics.load(Ordering::SeqCst), 3);
    assert_eq!(outside.ends(), [Outcome::Completed]);

    // Also while a panic is already under way: a second one that escaped would abort the process.
    let response = service
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = response;
        panic!("the caller's own");
    }));
    assert!(unwound.is_err());
    assert_eq!(panics.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_pending_admission_that_is_dropped_tells_no_end() {
    struct Held(Arc<AtomicUsize>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    struct Waiting(Arc<AtomicUsize>);
    impl tollgate_core::Gate for Waiting {
        type Observer = fn(Outcome);
        type Later = std::pin::Pin<
            Box<dyn Future<Output = Result<(http::request::Parts, fn(Outcome)), Rejection>>>,
        >;
        fn admit(
            &self,
            parts: http::request::Parts,
        ) -> tollgate_core::Admission<Self::Observer, Self::Later> {
            let held = Held(Arc::clone(&self.0));
            tollgate_core::Admission::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                drop(held);
                Ok((parts, (|_| panic!("no end was due")) as fn(Outcome)))
            }))
        }
    }
    let given_back = Arc::new(AtomicUsize::new(0));
    let inner = Inner::new(Answer::ok(Script::empty()));
    let service = GateLayer::new(Waiting(Arc::clone(&given_back))).layer(inner.clone());
    let mut future = Box::pin(service.oneshot(Request::new(Script::empty())));

    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    drop(future);

    assert_eq!((given_back.load(Ordering::SeqCst), inner.calls()), (1, 0));
}

#[tokio::test]
async fn a_refusal_never_reaches_the_inner_service() {
    let inner = Inner::new(Answer::ok(Script::empty()));
    let closed = gate_fn(|_| {
        Err::<(), _>(Rejection::new(
            StatusCode::FORBIDDEN,
            "closed",
            "nobody may pass",
        ))
    });
    let service = GateLayer::new(closed).layer(inner.clone());

    let response = service
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().code(),
        "closed"
    );
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn those_whose_answer_is_replaced_hear_that_it_was_completed() {
    let recorder = Recorder::new();
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("a refusal"))))
    });
    let service = GateLayer::new(recorder.clone()).layer(inner);

    let response = service.oneshot(Request::new(())).await.unwrap();
    let reworded = response.map(|body| Reply::instead(body, "in other words"));
    assert_eq!(reworded.size_hint().exact(), Some(14));
    let body = reworded.into_body().collect().await.unwrap().to_bytes();

    assert_eq!(body, "in other words");
    assert_eq!(recorder.ends(), [Outcome::Completed]);
}

#[tokio::test]
async fn who_does_not_listen_is_dropped_at_once_and_told_nothing() {
    struct Deaf(Arc<AtomicUsize>);

    impl Observer for Deaf {
        fn listens(&self) -> bool {
            false
        }

        fn answered(&mut self, _: &mut response::Parts) {
            self.0.fetch_add(10, Ordering::Relaxed);
        }

        fn frame(&mut self, _: &Frame<Bytes>) {
            self.0.fetch_add(10, Ordering::Relaxed);
        }

        fn ended(self, _: Outcome) {
            self.0.fetch_add(10, Ordering::Relaxed);
        }
    }

    impl Drop for Deaf {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let (told, gate) = (Arc::new(AtomicUsize::new(0)), Recorder::new());
    let deaf = Arc::clone(&told);
    let layer = GateLayer::new(gate_fn(move |_| {
        Ok::<_, Rejection>(Deaf(Arc::clone(&deaf)))
    }));
    let inner =
        GateLayer::new(gate.clone()).layer(Inner::new(Answer::ok(Script::new([Step::Data(b"a")]))));

    let response = layer
        .layer(inner)
        .oneshot(Request::new(Script::empty()))
        .await
        .unwrap();

    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "a"
    );
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(gate.ends(), [Outcome::Completed]);
}
