use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tollgate_core::{OnEnd, OnEndBody, Outcome, Trail, Wire};
use tower_service::Service;
use tracing::Span;

use crate::{Observed, meters::Meters, observation::Observation, span};

/// A service under an [`ObserveLayer`](crate::ObserveLayer).
#[derive(Clone)]
pub struct ObserveService<S> {
    inner: S,
    meters: Arc<Meters>,
}

impl<S> ObserveService<S> {
    pub(crate) const fn new(inner: S, meters: Arc<Meters>) -> Self {
        Self { inner, meters }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ObserveService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<Observed<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let span = span::open(&parts);
        let trail = Trail::of(&mut parts);
        let observation = Observation::begin(Arc::clone(&self.meters), trail, span.clone());
        let mut on_end = OnEnd::new(observation);
        let request = Request::from_parts(parts, body);
        let inner = span.in_scope(|| on_end.watch(|| self.inner.call(request)));
        ResponseFuture {
            inner: Some(inner),
            on_end: Some(on_end),
            span,
            wire,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ObserveService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of an [`ObserveService`].
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        on_end: Option<OnEnd<Observation>>,
        span: Span,
        wire: Wire,
    }

    // What is said while a request is dropped stands in its span as well, and those further in hear first.
    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.span.enter();
            this.inner.set(None);
            *this.on_end = None;
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Observed<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const TWICE: &str = "polled after completion";
        let this = self.project();
        let entered = this.span.enter();
        let inner = this.inner.as_pin_mut().expect(TWICE);
        let watch = this.on_end.as_mut().expect(TWICE);
        let answer = ready!(watch.watch(|| inner.poll(cx)));
        let mut on_end = this.on_end.take().expect(TWICE);
        Poll::Ready(match answer {
            Ok(response) => {
                let response = OnEndBody::response(response, on_end, *this.wire);
                drop(entered);
                let span = mem::replace(this.span, Span::none());
                Ok(response.map(|body| Observed::new(body, span)))
            }
            Err(error) => {
                on_end.end(Outcome::Failed);
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
