mod attempt;
mod kept;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tollgate_core::{OnEnd, OnEndBody, Outcome, Rejection, Reply, Trail, Wire};
use tower_service::Service;

use self::{
    attempt::{Attempts, Trying},
    kept::{Keeping, Kept},
};
use crate::{Busy, Pool, layer::Shared, verdict::Verdict};

/// A service behind a [`BalanceLayer`](crate::BalanceLayer).
pub struct BalanceService<S, F> {
    inner: S,
    pool: Arc<F>,
    shared: Arc<Shared>,
}

impl<S, F> BalanceService<S, F> {
    pub(crate) const fn new(inner: S, pool: Arc<F>, shared: Arc<Shared>) -> Self {
        Self {
            inner,
            pool,
            shared,
        }
    }
}

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for BalanceService<S, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    F: Fn(&Parts) -> Option<Pool>,
    ReqBody: Clone,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<Reply<OnEndBody<ResBody, Busy>>>;
    type Error = S::Error;
    type Future = BalanceFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let trail = Trail::of(&mut parts);
        let pool = (self.pool)(&parts).unwrap_or_else(|| Pool::new([]));
        let mut attempts = Attempts::new(Arc::clone(&self.shared), pool, trail);
        let now = Instant::now();
        let (state, spare) = match attempts.next(now, &mut parts.extensions) {
            Some(trying) => {
                // Only who can be tried again is copied, and the service that was polled ready is called as it is.
                let spare = attempts.has_more().then(|| {
                    Box::new(Spare {
                        service: self.inner.clone(),
                        parts: parts.clone(),
                        body: body.clone(),
                    })
                });
                let request = Request::from_parts(parts, body);
                let (inner, on_end) = trying.watch(|| self.inner.call(request));
                let state = State::Calling {
                    inner,
                    on_end: Some(on_end),
                    trying: Some(trying),
                };
                (state, spare)
            }
            None => {
                self.inner = self.inner.clone(); // Gives readiness back.
                let rejection = Some(attempts.unavailable(now));
                (State::Refused { rejection }, None)
            }
        };
        BalanceFuture {
            state,
            attempts,
            spare,
            kept: None,
            wire,
        }
    }
}

impl<S: Clone, F> Clone for BalanceService<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            pool: Arc::clone(&self.pool),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for BalanceService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`BalanceService`].
    pub struct BalanceFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future, R>,
        attempts: Attempts,
        // Both boxed: they are large, and a future is moved through the layers around it.
        spare: Option<Box<Spare<S, B>>>,
        kept: Option<Box<Kept>>,
        wire: Wire,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Calling { #[pin] inner: F, on_end: Option<OnEnd<Busy>>, trying: Option<Trying> },
        Keeping { keeping: Pin<Box<Keeping<R>>> },
        Readying,
        Refused { rejection: Option<Rejection> },
    }
}

/// What it takes to send a request once more.
struct Spare<S, B> {
    service: S,
    parts: Parts,
    body: B,
}

impl<S, B, ResBody> Future for BalanceFuture<S, B, ResBody>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    B: Clone,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<Reply<OnEndBody<ResBody, Busy>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "polled after completion";
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling {
                    inner,
                    on_end,
                    trying,
                } => {
                    let watch = on_end.as_mut().expect(TWICE);
                    let answer = ready!(watch.watch(|| inner.poll(cx)));
                    let mut on_end = on_end.take().expect(TWICE);
                    let trying = trying.take().expect(TWICE);
                    let response = match answer {
                        Ok(response) => response,
                        Err(error) => {
                            on_end.end(Outcome::Failed);
                            trying.failed();
                            if this.spare.is_some() && this.attempts.may_retry() {
                                trying.superseded();
                                this.state.set(State::Readying);
                                continue;
                            }
                            return Poll::Ready(match this.kept.take() {
                                Some(kept) => Ok(this.attempts.give(*kept, *this.wire)),
                                None => Err(error),
                            });
                        }
                    };
                    let (head, body) = response.into_parts();
                    let verdict = this.attempts.judge(&trying, &head);
                    let again = match verdict {
                        Verdict::Final => false,
                        Verdict::Refused(_) => this.attempts.has_more(),
                        Verdict::Failed(_) => this.attempts.may_retry(),
                    };
                    if again && this.spare.is_some() {
                        let body = OnEndBody::new(body, on_end);
                        let keeping = Box::pin(Keeping::new(head, body, trying, verdict));
                        this.state.set(State::Keeping { keeping });
                        continue;
                    }
                    return Poll::Ready(Ok(match this.kept.take() {
                        Some(kept) if kept.is_better_than(verdict) => {
                            trying.superseded();
                            this.attempts.give(*kept, *this.wire)
                        }
                        kept => {
                            if let Some(kept) = kept {
                                kept.trying.superseded();
                            }
                            let response = Response::from_parts(head, body);
                            this.attempts.pass(trying, response, on_end, *this.wire)
                        }
                    }));
                }
                StateProj::Keeping { keeping } => {
                    let answer = ready!(keeping.as_mut().poll(cx));
                    let better = match this.kept.take() {
                        Some(kept) => answer.or(*kept),
                        None => answer,
                    };
                    *this.kept = Some(Box::new(better));
                    this.state.set(State::Readying);
                }
                StateProj::Readying => {
                    let spare = this.spare.as_mut().expect("who tries again has a spare");
                    if let Err(error) = ready!(spare.service.poll_ready(cx)) {
                        return Poll::Ready(match this.kept.take() {
                            Some(kept) => Ok(this.attempts.give(*kept, *this.wire)),
                            None => Err(error),
                        });
                    }
                    let mut parts = spare.parts.clone();
                    let now = Instant::now();
                    let Some(trying) = this.attempts.next(now, &mut parts.extensions) else {
                        if let Some(kept) = this.kept.take() {
                            return Poll::Ready(Ok(this.attempts.give(*kept, *this.wire)));
                        }
                        let rejection = Some(this.attempts.unavailable(now));
                        this.state.set(State::Refused { rejection });
                        continue;
                    };
                    let request = Request::from_parts(parts, spare.body.clone());
                    let (inner, on_end) = trying.watch(|| spare.service.call(request));
                    this.state.set(State::Calling {
                        inner,
                        on_end: Some(on_end),
                        trying: Some(trying),
                    });
                }
                StateProj::Refused { rejection } => {
                    *this.spare = None;
                    let rejection = rejection.take().expect(TWICE);
                    return Poll::Ready(Ok(rejection.into_response(*this.wire)));
                }
            }
        }
    }
}

impl<S: Service<Request<B>>, B, R> fmt::Debug for BalanceFuture<S, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceFuture").finish_non_exhaustive()
    }
}
