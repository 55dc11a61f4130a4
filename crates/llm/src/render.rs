mod body;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tollgate_core::{BoxError, Limits, Rejection, Reply, Wire};
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::RenderBody;
use crate::openai;

/// Says in the caller's dialect what was refused further in, so that its SDK raises the exception that it knows.
///
/// A [`Rejection`] is reworded, [`Limits`] become the dialect's rate headers, and a stream that fails ends with an
/// error event. gRPC callers keep their status. Everything else passes as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderLayer(());

impl RenderLayer {
    /// A layer that speaks OpenAI's dialect.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RenderLayer {
    type Service = RenderService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RenderService { inner }
    }
}

/// A service behind a [`RenderLayer`].
#[derive(Clone, Debug)]
pub struct RenderService<S> {
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RenderService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<RenderBody<ResBody>>;
    type Error = S::Error;
    type Future = RenderFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        RenderFuture {
            inner: self.inner.call(Request::from_parts(parts, body)),
            wire,
        }
    }
}

pin_project! {
    /// The response of a [`RenderService`].
    pub struct RenderFuture<F> {
        #[pin]
        inner: F,
        wire: Wire,
    }
}

impl<F, B, E> Future for RenderFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<RenderBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(render(response, *this.wire)))
    }
}

impl<F> fmt::Debug for RenderFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderFuture").finish_non_exhaustive()
    }
}

fn render<B: Body<Data = Bytes>>(response: Response<B>, wire: Wire) -> Response<RenderBody<B>> {
    let (mut head, body) = response.into_parts();
    if wire.is_grpc() {
        return Response::from_parts(head, RenderBody::plain(Reply::inner(body)));
    }
    if let Some(limits) = head.extensions.get::<Limits>() {
        openai::rate_headers(limits, &mut head.headers);
    }
    if let Some(rejection) = head.extensions.get::<Rejection>() {
        let error = openai::error_json(rejection);
        head.headers.insert(CONTENT_TYPE, JSON);
        head.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(head, RenderBody::plain(Reply::instead(body, error)));
    }
    let streams = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let body = Reply::inner(body);
    let body = if streams {
        RenderBody::events(body)
    } else {
        RenderBody::plain(body)
    };
    Response::from_parts(head, body)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
