use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE, request::Parts};
use pin_project_lite::pin_project;
use serde_json::{Value, json};
use tollgate_core::{
    Rejection, Reply, Wire,
    fact::{Call, Operation, Principal},
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Catalog, Model};
use crate::dialect::MODEL;

/// Answers which models there are, and refuses calls of those that there are not, with 404.
///
/// A caller sees the models that its [`Principal`] may call. Place it inside [`InspectLayer`](crate::InspectLayer).
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

impl Catalog {
    /// The answer to a request that goes no further.
    fn answer(&self, parts: &Parts) -> Option<Result<Value, Rejection>> {
        let call = parts.extensions.get::<Call>()?;
        if call.operation != Operation::Models {
            let known = self.get(&call.model).is_some();
            return (!known).then(|| Err(unknown(&call.model)));
        }
        let principal = parts.extensions.get::<Principal>();
        let visible = |model: &&Model| principal.is_none_or(|it| it.may_call(model.name()));
        Some(match parts.uri.path().strip_prefix(MODEL) {
            Some(name) => match self.get(name).filter(visible) {
                Some(model) => Ok(model.json()),
                None => Err(unknown(name)),
            },
            None => {
                let models: Vec<_> = self.iter().filter(visible).map(Model::json).collect();
                Ok(json!({ "object": "list", "data": models }))
            }
        })
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

fn unknown(model: &str) -> Rejection {
    // A name is the caller's own text, so only its beginning is repeated.
    let shown: String = model.chars().take(128).collect();
    Rejection::new(
        StatusCode::NOT_FOUND,
        "model_not_found",
        format!("the model `{shown}` does not exist, or you have no access to it"),
    )
    .with_detail("param", "model")
}
