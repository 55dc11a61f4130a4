use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tower::limit::ConcurrencyLimit;
use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, Fault, Inner, Recorder, Script, Step};
use crate::{GateLayer, GateService, Reply};

/// Tries a layer against the contract; see the [module](super).
///
/// The layer is made anew for each case. `check` runs in a runtime of its own with paused time, and panics with the
/// case's name when the contract is broken.
pub struct Contract<M> {
    make: M,
    request: Box<dyn Fn() -> Request<Script>>,
    refused: Option<Box<dyn Fn(&mut Request<Script>)>>,
    settled: Box<dyn Fn() -> bool>,
}

impl<M, S, ResBody> Contract<M>
where
    M: Fn(Probe) -> S,
    S: Service<Request<Script>, Response = Response<ResBody>> + Clone,
    S::Error: Debug,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Debug,
{
    /// The layer as a function of the service that it is put around.
    pub fn new(make: M) -> Self {
        Self {
            make,
            request: Box::new(|| Request::new(Script::empty())),
            refused: None,
            settled: Box::new(|| true),
        }
    }

    /// A request that passes; by default `GET /` without a body.
    #[must_use]
    pub fn request(mut self, request: impl Fn() -> Request<Script> + 'static) -> Self {
        self.request = Box::new(request);
        self
    }

    /// What turns the request that passes into one that the layer answers itself.
    #[must_use]
    pub fn refused(mut self, refuse: impl Fn(&mut Request<Script>) + 'static) -> Self {
        self.refused = Some(Box::new(refuse));
        self
    }

    /// Whether nothing is held any more: no permit, no hold, no probe. Asked after every case.
    #[must_use]
    pub fn settled(mut self, settled: impl Fn() -> bool + 'static) -> Self {
        self.settled = Box::new(settled);
        self
    }

    /// Runs all cases.
    ///
    /// # Panics
    /// When the contract is broken.
    pub fn check(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O can be built");
        let _guard = runtime.enter();
        self.passes_answers_unchanged();
        self.passes_errors_through();
        self.survives_a_drop_at_every_poll();
        self.gives_readiness_back();
        self.outlives_panics();
        self.treats_a_head_as_the_whole_answer();
        self.tells_ends_of_answers_dropped_and_replaced();
        self.bears_observers_that_panic();
    }

    /// Frames, their boundaries, trailers, hints and errors come as they were sent, none later than it was there.
    fn passes_answers_unchanged(&self) {
        for body in bodies() {
            let case = format!("an answer of {body:?}");
            let expected = drain(body.clone(), usize::MAX).0;
            let inner = Inner::new(Answer::ok(body).after(1));
            let recorder = Recorder::new();
            let mut service = (self.make)(probe(&inner, &recorder));
            ready(&mut service, &case);
            let response =
                finish(service.call((self.request)())).expect("the service has no error");

            assert_eq!(
                response.status(),
                StatusCode::OK,
                "{case}: its status was changed"
            );
            let passed = drain(response.into_body(), usize::MAX).0;

            assert_eq!(passed, expected, "{case}: it was changed on the way");
            assert_eq!(inner.calls(), 1, "{case}: the service was not called once");
            self.assert_settled(&case, &recorder);
        }
    }

    fn passes_errors_through(&self) {
        let inner = Inner::new(Answer::fails(Fault::Error));
        let recorder = Recorder::new();
        let mut service = (self.make)(probe(&inner, &recorder));
        ready(&mut service, "an error");

        let answer = finish(service.call((self.request)()));

        // A layer that takes the service's error for a failed attempt answers for itself.
        if let Ok(response) = answer {
            assert!(
                response.status().is_server_error(),
                "an error of the service became {}",
                response.status()
            );
        }
        self.assert_settled("an error of the service", &recorder);
    }

    /// Whatever is dropped, and whenever, nothing stays held.
    fn survives_a_drop_at_every_poll(&self) {
        for body in bodies() {
            for polls in 0.. {
                let case = format!("a drop after {polls} polls of an answer of {body:?}");
                let recorder = Recorder::new();
                let mut service = (self.make)(probe(
                    &Inner::new(Answer::ok(body.clone()).after(2)),
                    &recorder,
                ));
                ready(&mut service, &case);
                let mut left = polls;
                let ended = match poll_at_most(service.call((self.request)()), &mut left) {
                    Some(response) => {
                        let response = response.expect("the service has no error");
                        drain(response.into_body(), left).1
                    }
                    None => false,
                };
                self.assert_settled(&case, &recorder);
                let mut again = service.clone();
                drop(service);
                ready(&mut again, &case);
                if ended {
                    break;
                }
            }
        }
    }

    /// Over `ConcurrencyLimit(1)`, a clone gets ready once another's request is over: answered, refused or dropped.
    fn gives_readiness_back(&self) {
        let recorder = Recorder::new();
        let inner = Inner::new(Answer::ok(Script::empty()));
        let service = (self.make)(probe(&inner, &recorder));
        for refuse in [None, self.refused.as_ref()] {
            let case = match refuse {
                None => "after an answer",
                Some(_) => "after a refusal",
            };
            let mut first = service.clone();
            ready(&mut first, case);
            let mut request = (self.request)();
            if let Some(refuse) = refuse {
                refuse(&mut request);
            }
            let response = finish(first.call(request)).expect("the service has no error");
            if refuse.is_some() {
                let status = response.status();
                assert!(
                    !status.is_success(),
                    "{case}: the request was not refused but {status}"
                );
            }
            drain(response.into_body(), usize::MAX);
            // `first` is still alive, and must not hold what a clone waits for.
            let mut second = service.clone();
            ready(&mut second, case);
            drop(second);
            drop(first);
            self.assert_settled(case, &recorder);
        }
    }

    /// A panic inside costs one request.
    fn outlives_panics(&self) {
        let answers = [
            Answer::fails(Fault::PanicInCall),
            Answer::fails(Fault::Panic),
            Answer::ok(Script::new([Step::Data(b"a"), Step::Panic])),
        ];
        for answer in answers {
            let case = format!("a panic in {answer:?}");
            let recorder = Recorder::new();
            let mut service = (self.make)(probe(&Inner::new(answer), &recorder));
            ready(&mut service, &case);
            let run = || {
                if let Ok(response) = finish(service.call((self.request)())) {
                    drain(response.into_body(), usize::MAX);
                }
            };
            let _ = catch_unwind(AssertUnwindSafe(run));
            drop(service);
            self.assert_settled(&case, &recorder);
        }
    }

    /// A server never polls the body of an answer to `HEAD`.
    fn treats_a_head_as_the_whole_answer(&self) {
        let answer = Answer::ok(Script::new([Step::Data(b"never asked for")]));
        let recorder = Recorder::new();
        let mut service = (self.make)(probe(&Inner::new(answer), &recorder));
        ready(&mut service, "HEAD");
        let mut request = (self.request)();
        *request.method_mut() = Method::HEAD;
        let response = finish(service.call(request)).expect("the service has no error");
        drop(response);
        self.assert_settled("an answer to HEAD", &recorder);
    }

    /// Those inside hear of an answer that nobody reads, and of one that another took the place of.
    fn tells_ends_of_answers_dropped_and_replaced(&self) {
        for body in bodies() {
            for replace in [false, true] {
                let case = format!("replacing ({replace}) or dropping an answer of {body:?}");
                let recorder = Recorder::new();
                let inner = Inner::new(Answer::ok(body.clone()));
                let mut service = (self.make)(probe(&inner, &recorder));
                ready(&mut service, &case);
                let response = finish(service.call((self.request)()));
                let response = response.expect("the service has no error");
                if replace {
                    let reworded = Reply::instead(response.into_body(), "in other words");
                    let (seen, ended) = drain(reworded, usize::MAX);
                    assert!(
                        ended && seen.iter().any(|it| it.contains("in other words")),
                        "{case}"
                    );
                } else {
                    drop(response);
                }
                self.assert_settled(&case, &recorder);
            }
        }
    }

    /// An observer further in that panics wherever it can changes nothing.
    fn bears_observers_that_panic(&self) {
        for body in bodies() {
            let case = format!("an observer that panics at an answer of {body:?}");
            let expected = drain(body.clone(), usize::MAX).0;
            let recorder = Recorder::clumsy();
            let mut service = (self.make)(probe(&Inner::new(Answer::ok(body)), &recorder));
            ready(&mut service, &case);
            let response = finish(service.call((self.request)()));
            let response = response.expect("the service has no error");
            let passed = drain(response.into_body(), usize::MAX).0;
            assert_eq!(passed, expected, "{case}: it was changed on the way");
            self.assert_settled(&case, &recorder);
        }
    }

    /// Nothing is held, and who was admitted further in has heard one end.
    fn assert_settled(&self, case: &str, recorder: &Recorder) {
        assert!((self.settled)(), "after {case}, something is still held");
        let (open, ends) = (recorder.open(), recorder.ends().len());
        assert_eq!(open, 0, "after {case}, those inside have not heard the end");
        assert_eq!(
            ends,
            recorder.admitted(),
            "after {case}, those inside have not heard one end each"
        );
    }
}

impl<M> std::fmt::Debug for Contract<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract").finish_non_exhaustive()
    }
}

/// Bodies of every kind: empty, of known length, streamed, with waits, with trailers, with an error.
fn bodies() -> Vec<Script> {
    use Step::{Data, Error, Trailers, Wait};
    vec![
        Script::empty(),
        Script::new([]),
        Script::known([Data(b"known")]),
        Script::known([Wait, Data(b"kn"), Wait, Data(b"own")]),
        Script::new([Data(b"a"), Wait, Data(b""), Data(b"bc"), Wait]),
        Script::known([Data(b"a"), Wait, Trailers]),
        Script::new([Wait, Data(b"a"), Trailers]),
        Script::new([Trailers]),
        Script::new([Data(b"a"), Wait, Error]),
    ]
}

fn probe(inner: &Inner, recorder: &Recorder) -> Probe {
    let watched = GateLayer::new(recorder.clone()).layer(inner.clone());
    ConcurrencyLimit::new(watched, 1)
}

/// The service that a layer is put around: one that is ready for one at a time, and hears how each answer ends.
pub type Probe = ConcurrencyLimit<GateService<Inner, Recorder>>;

/// The service must be ready at once: nothing else holds what it waits for.
fn ready<S: Service<Request<Script>>>(service: &mut S, case: &str)
where
    S::Error: Debug,
{
    let mut cx = Context::from_waker(Waker::noop());
    match service.poll_ready(&mut cx) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(error)) => panic!("{case}: readiness was answered with {error:?}"),
        Poll::Pending => panic!("{case}: the service does not become ready again"),
    }
}

fn finish<F: Future>(future: F) -> F::Output {
    poll_at_most(future, &mut MOST_POLLS.clone()).expect("the answer never comes")
}

fn poll_at_most<F: Future>(future: F, polls: &mut usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    while *polls > 0 {
        *polls -= 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
    }
    None
}

/// All that can be seen of a body: before each poll its hints, then what it gave. Says whether it ended within so
/// many polls; a body that says that it has ended is not polled, as hyper does it.
fn drain<B: Body<Data = Bytes>>(body: B, mut polls: usize) -> (Vec<String>, bool)
where
    B::Error: Debug,
{
    let mut body: Pin<&mut B> = pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    while polls > 0 {
        polls -= 1;
        let hint = body.size_hint();
        seen.push(format!("{:?} {:?}", hint.lower(), hint.upper()));
        if body.is_end_stream() {
            return (seen, true);
        }
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Pending => seen.push("pending".into()),
            Poll::Ready(None) => return (seen, true),
            Poll::Ready(Some(Ok(frame))) => seen.push(match frame.data_ref() {
                Some(data) => format!("data {data:?}"),
                None => format!("trailers {:?}", frame.trailers_ref()),
            }),
            // The kind of error may be wrapped; that there is one may not be lost.
            Poll::Ready(Some(Err(_))) => seen.push("error".into()),
        }
        assert!(seen.len() < MOST_POLLS, "the body never ends");
    }
    (seen, false)
}

const MOST_POLLS: usize = 1000;
