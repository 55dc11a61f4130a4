mod body;
mod clock;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use self::clock::Clock;
pub use self::{
    body::{BoxError, TimeoutBody},
    clock::Elapsed,
};
use crate::{
    Rejection, Reply, Trail, Wire,
    fact::{Failure, Phase},
};

/// Bounds how long a service may take: to the head of its answer, between two frames of the body, and in all.
///
/// Before the head, the answer is a [`Rejection`] about the target, `504` and `timeout`; after it, the body ends with
/// an error, [`Elapsed`]. Waiting counts only while somebody asks for a frame: a slow reader is not a silent service.
///
/// | option | what it bounds | default |
/// |---|---|---|
/// | [`first_byte`](Self::first_byte) | the time to the head of the answer | none |
/// | [`idle`](Self::idle) | the silence before each frame of the body | none |
/// | [`total`](Self::total) | the time to the end of the body | none |
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeoutLayer {
    first_byte: Option<Duration>,
    idle: Option<Duration>,
    total: Option<Duration>,
}

impl TimeoutLayer {
    /// A layer without bounds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_byte: None,
            idle: None,
            total: None,
        }
    }

    /// Bounds the time to the head of the answer.
    #[must_use]
    pub const fn first_byte(mut self, bound: Duration) -> Self {
        self.first_byte = Some(bound);
        self
    }

    /// Bounds the silence before each frame of the body.
    #[must_use]
    pub const fn idle(mut self, bound: Duration) -> Self {
        self.idle = Some(bound);
        self
    }

    /// Bounds the time to the end of the body.
    #[must_use]
    pub const fn total(mut self, bound: Duration) -> Self {
        self.total = Some(bound);
        self
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService {
            inner,
            bounds: *self,
        }
    }
}

/// A service behind a [`TimeoutLayer`].
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    inner: S,
    bounds: TimeoutLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TimeoutService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<Reply<TimeoutBody<ResBody>>>;
    type Error = S::Error;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let trail = parts.extensions.get::<Trail>().cloned();
        TimeoutFuture {
            clock: Clock::new(self.bounds.first_byte, self.bounds.total),
            inner: Some(self.inner.call(Request::from_parts(parts, body))),
            idle: self.bounds.idle,
            trail,
            wire,
        }
    }
}

pin_project! {
    /// The response of a [`TimeoutService`].
    pub struct TimeoutFuture<F> {
        #[pin]
        inner: Option<F>,
        #[pin]
        clock: Clock,
        idle: Option<Duration>,
        trail: Option<Trail>,
        wire: Wire,
    }
}

impl<F, B, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Reply<TimeoutBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = this.inner.as_mut().as_pin_mut();
        match inner.expect("polled after completion").poll(cx) {
            Poll::Ready(response) => {
                let clock = this.clock.for_body(*this.idle);
                let trail = this.trail.take();
                let body = |body| Reply::inner(TimeoutBody::new(body, clock, trail));
                Poll::Ready(response.map(|response| response.map(body)))
            }
            Poll::Pending => {
                if !this.clock.is_over(cx) {
                    return Poll::Pending;
                }
                if let Some(trail) = this.trail.take() {
                    trail.set(failure(Phase::Head));
                }
                // Before the answer goes out, those inside hear that nobody waits for theirs.
                this.inner.set(None);
                Poll::Ready(Ok(rejection().into_response(*this.wire)))
            }
        }
    }
}

impl<F> fmt::Debug for TimeoutFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutFuture").finish_non_exhaustive()
    }
}

fn rejection() -> Rejection {
    Rejection::new(
        StatusCode::GATEWAY_TIMEOUT,
        "timeout",
        "the target did not answer in time",
    )
    .about_target()
}

const fn failure(phase: Phase) -> Failure {
    Failure {
        code: std::borrow::Cow::Borrowed("timeout"),
        phase,
    }
}
