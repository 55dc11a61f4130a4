mod body;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tollgate_core::{
    BoxError, Limits, Rejection, Reply, Trail, Wire,
    fact::{Cost, TotalCost},
};
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::RenderBody;
use self::body::Tells;
use crate::{Dialect, anthropic, dialect::Api, gemini, openai};

/// Says in the caller's dialect what was refused further in, so that its SDK raises the exception that it knows.
///
/// A [`Rejection`] is reworded, [`Limits`] become the dialect's rate headers, and a stream that fails ends with an
/// error event. A budget that is spent (`insufficient_quota`) is what each dialect says of an empty account. What a plain answer cost stands in `x-tollgate-cost`, in dollars, or `unknown` where an attempt
/// has no known price. gRPC callers keep their status. Everything else passes as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderLayer(());

impl RenderLayer {
    /// A layer that speaks all dialects.
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
        let (mut parts, body) = request.into_parts();
        let (wire, form) = (Wire::of(&parts), Api::of(&parts));
        let dialect = form.map_or_else(|| Dialect::of(&parts), Api::dialect);
        let trail = Trail::of(&mut parts);
        RenderFuture {
            inner: self.inner.call(Request::from_parts(parts, body)),
            said: Said {
                wire,
                dialect,
                form,
            },
            trail,
        }
    }
}

pin_project! {
    /// The response of a [`RenderService`].
    pub struct RenderFuture<F> {
        #[pin]
        inner: F,
        said: Said,
        trail: Trail,
    }
}

/// How the caller speaks.
#[derive(Clone, Copy, Debug)]
struct Said {
    wire: Wire,
    dialect: Dialect,
    /// What it asks for, if that is known.
    form: Option<Api>,
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
        Poll::Ready(Ok(render(response, *this.said, this.trail)))
    }
}

impl<F> fmt::Debug for RenderFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderFuture").finish_non_exhaustive()
    }
}

fn render<B: Body<Data = Bytes>>(
    response: Response<B>,
    said: Said,
    trail: &Trail,
) -> Response<RenderBody<B>> {
    let (mut head, body) = response.into_parts();
    if said.wire.is_grpc() {
        return Response::from_parts(head, RenderBody::plain(Reply::inner(body)));
    }
    let dialect = said.dialect;
    if let Some(limits) = head.extensions.get::<Limits>() {
        match dialect {
            Dialect::OpenAi => openai::rate_headers(limits, &mut head.headers),
            Dialect::Anthropic => anthropic::rate_headers(limits, &mut head.headers),
            Dialect::Gemini => {} // It has none.
        }
    }
    if let Some(rejection) = head.extensions.get::<Rejection>() {
        let is_spent = rejection.code() == INSUFFICIENT_QUOTA;
        if is_spent && dialect == Dialect::Anthropic {
            head.status = StatusCode::PAYMENT_REQUIRED; // Their 429 is for rates alone.
        }
        if is_spent {
            head.headers.insert(SHOULD_RETRY, NO); // SDKs would ask again at once.
        }
        let error = match dialect {
            Dialect::OpenAi => openai::error_json(rejection),
            Dialect::Anthropic => anthropic::error_json(rejection, head.status),
            Dialect::Gemini => gemini::error_json(rejection),
        };
        head.headers.insert(CONTENT_TYPE, JSON);
        head.headers.remove(CONTENT_LENGTH);
        tell_cost(trail, &mut head.headers);
        return Response::from_parts(head, RenderBody::plain(Reply::instead(body, error)));
    }
    let is = |essence: &[u8]| {
        let kind = head.headers.get(CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(essence))
    };
    let tells = if is(b"text/event-stream") {
        match said.form {
            Some(Api::Responses) => Tells::Response,
            _ => Tells::Event(dialect),
        }
    } else if is_array(said.form) && head.status.is_success() && is(b"application/json") {
        Tells::Element
    } else {
        Tells::Nothing
    };
    // A stream's cost is known at its end only, where no header can say it.
    if tells == Tells::Nothing {
        tell_cost(trail, &mut head.headers);
    }
    Response::from_parts(head, RenderBody::telling(Reply::inner(body), tells))
}

/// Whether its streams are JSON arrays.
fn is_array(form: Option<Api>) -> bool {
    form == Some(Api::StreamGenerate { array: true })
}

/// Says what all attempts together cost, if they used anything.
fn tell_cost(trail: &Trail, headers: &mut HeaderMap) {
    let told = TotalCost::of(&trail.glance()).map(|total| match total {
        TotalCost::Known(cost) => dollars(cost),
        TotalCost::Unknown => HeaderValue::from_static("unknown"),
    });
    if let Some(told) = told {
        headers.insert(COST, told);
    }
}

/// An amount in dollars, such as `0.000123`.
fn dollars(cost: Cost) -> HeaderValue {
    const NANOS: u64 = 1_000_000_000;
    let nanos = cost.nanos().unsigned_abs();
    let text = format!("{}.{:09}", nanos / NANOS, nanos % NANOS);
    let digits = text.trim_end_matches('0').trim_end_matches('.');
    HeaderValue::try_from(digits).unwrap_or(HeaderValue::from_static("0"))
}

/// The code of refusals by a budget, and OpenAI's own for them.
pub(crate) const INSUFFICIENT_QUOTA: &str = "insufficient_quota";
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const NO: HeaderValue = HeaderValue::from_static("false");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What the request cost, in dollars, all attempts together.
const COST: HeaderName = HeaderName::from_static("x-tollgate-cost");
