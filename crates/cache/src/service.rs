use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tollgate_core::{Rejection, Reply, Wire, fact::CacheStatus};
use tower_service::Service;

use crate::{
    ROOM, Recorded, STATUS, Tenant,
    answer::Answer,
    cache::{Cache, Lookup},
    slot::Slot,
};

/// A service behind a [`CacheLayer`](crate::CacheLayer).
pub struct CacheService<S, K = fn(&Parts) -> Option<Tenant>, P = fn(&Parts) -> bool> {
    inner: S,
    cache: Arc<Cache<K, P>>,
}

impl<S, K, P> CacheService<S, K, P> {
    pub(crate) const fn new(inner: S, cache: Arc<Cache<K, P>>) -> Self {
        Self { inner, cache }
    }
}

impl<S, K, P, ReqBody, ResBody> Service<Request<ReqBody>> for CacheService<S, K, P>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    K: Fn(&Parts) -> Option<Tenant>,
    P: Fn(&Parts) -> bool,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<Reply<Recorded<ResBody>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let found = self.cache.look_up(&mut parts, body.is_end_stream());
        if matches!(found, Lookup::Hit(..) | Lookup::Refused(_)) {
            // Readiness reserved something further in: a service that is dropped gives it back.
            self.inner = self.inner.clone();
        }
        let pass = |slot| State::Passed {
            inner: self.inner.call(Request::from_parts(parts, body)),
            slot,
        };
        let state = match found {
            Lookup::Hit(answer, age) => State::Hit { answer, age },
            Lookup::Miss(slot) => pass(Some(slot)),
            Lookup::Bypass => pass(None),
            Lookup::Refused(rejection) => State::Refused {
                rejection: Some(rejection),
                wire,
            },
        };
        ResponseFuture { state }
    }
}

impl<S: Clone, K, P> Clone for CacheService<S, K, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            cache: Arc::clone(&self.cache),
        }
    }
}

impl<S: fmt::Debug, K, P> fmt::Debug for CacheService<S, K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`CacheService`].
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Hit { answer: Answer, age: Duration },
        Refused { rejection: Option<Rejection>, wire: Wire },
        // Without a slot, the cache did not look.
        Passed { #[pin] inner: F, slot: Option<Slot> },
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Reply<Recorded<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Hit { answer, age } => answer.replay(*age),
            StateProj::Refused { rejection, wire } => {
                let rejection = rejection.take().expect("polled after completion");
                rejection.into_response(*wire)
            }
            StateProj::Passed { inner, slot } => {
                let response = ready!(inner.poll(cx))?;
                let (status, mut response) = match slot.take() {
                    Some(slot) => (CacheStatus::Miss, slot.record(response)),
                    None => (CacheStatus::Bypass, response.map(Recorded::not)),
                };
                let status = HeaderValue::from_static(status.as_str());
                response.headers_mut().reserve(ROOM);
                response.headers_mut().insert(STATUS, status);
                response.map(Reply::inner)
            }
        }))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
