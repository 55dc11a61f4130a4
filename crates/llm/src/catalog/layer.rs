use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use pin_project_lite::pin_project;
use serde_json::Value;
use tollgate_core::{Reply, Wire};
use tower_layer::Layer;
use tower_service::Service;

use super::Catalog;

/// Answers which models there are, in the caller's dialect, and refuses calls that nobody can serve: 404 for a model
/// that there is not, 400 for a model of whose candidates none can do what is needed.
///
/// A caller sees the models that its [`Principal`](tollgate_core::fact::Principal) may call. Patterns are not listed,
/// but a name that one covers can be looked up. Place it inside [`InspectLayer`](crate::InspectLayer).
#[derive(Clone, Debug)]
pub struct CatalogLayer {
    catalog: Catalog,
}

impl CatalogLayer {
    /// A layer that answers from this catalogue.
    #[must_use]
    pub const fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }
}

impl<S> Layer<S> for CatalogLayer {
    type Service = CatalogService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatalogService {
            inner,
            catalog: self.catalog.clone(),
        }
    }
}

/// A service behind a [`CatalogLayer`].
#[derive(Clone, Debug)]
pub struct CatalogService<S> {
    inner: S,
    catalog: Catalog,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CatalogService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<Reply<ResBody>>;
    type Error = S::Error;
    type Future = CatalogFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let state = match self.catalog.answer(&parts) {
            None => State::Inner {
                inner: self.inner.call(Request::from_parts(parts, body)),
            },
            Some(answer) => {
                self.inner = self.inner.clone(); // Gives readiness back.
                let response = match answer {
                    Ok(json) => ok(&json),
                    Err(rejection) => rejection.into_response(Wire::of(&parts)),
                };
                State::Own {
                    response: Some(response),
                }
            }
        };
        CatalogFuture { state }
    }
}

pin_project! {
    /// The response of a [`CatalogService`].
    pub struct CatalogFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Inner { #[pin] inner: F },
        Own { response: Option<Response<Reply<B>>> },
    }
}

impl<F, B, E> Future for CatalogFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Reply<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Inner { inner } => Ok(ready!(inner.poll(cx))?.map(Reply::inner)),
            StateProj::Own { response } => Ok(response.take().expect("polled after completion")),
        })
    }
}

impl<F, B> fmt::Debug for CatalogFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogFuture").finish_non_exhaustive()
    }
}

fn ok<B>(json: &Value) -> Response<Reply<B>> {
    let mut response = Response::new(Reply::full(Bytes::from(json.to_string())));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
