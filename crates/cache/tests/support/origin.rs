//! A service that counts its calls, behind a cache.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use tollgate_cache::{CacheLayer, CachePolicy, Tenant};
use tollgate_core::{
    Payload,
    testing::{Script, Step},
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// What came back: the cache's word, the head, and the body unless it broke off.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) cache: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// Counts the calls of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A service that gives `answer` for each request, and how often it was called.
pub(crate) fn origin<F>(
    answer: F,
) -> (
    impl Service<Request<Full<Bytes>>, Response = Response<Script>, Error = Infallible, Future: Send>
    + Clone,
    Calls,
)
where
    F: Fn(&Request<Full<Bytes>>) -> Response<Script> + Clone + Send,
{
    let calls = Calls::default();
    let counted = calls.clone();
    let service = service_fn(move |request: Request<Full<Bytes>>| {
        counted.0.fetch_add(1, Ordering::SeqCst);
        let response = answer(&request);
        async move { Ok(response) }
    });
    (service, calls)
}

pub(crate) fn layer() -> CacheLayer {
    CacheLayer::new(CachePolicy::new())
}

/// By the header `x-tenant`.
pub(crate) fn tenant(parts: &Parts) -> Option<Tenant> {
    let tenant = parts.headers.get("x-tenant")?;
    Some(Tenant::named(tenant.to_str().ok()?))
}

pub(crate) fn hello() -> Response<Script> {
    Response::new(Script::new([
        Step::Data(b"hel"),
        Step::Wait,
        Step::Data(b"lo"),
    ]))
}

pub(crate) fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

pub(crate) fn post(uri: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(uri).body(Full::default()).unwrap();
    Payload::replace(&mut request, Bytes::from(body.to_owned()));
    request
}

pub(crate) fn with(
    mut request: Request<Full<Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn send<S, B>(service: &S, request: Request<Full<Bytes>>) -> Seen
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes>,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Seen {
        status: head.status.as_u16(),
        cache: head.headers["x-tollgate-cache"].to_str().unwrap().into(),
        headers: head.headers,
        body: body.collect().await.ok().map(|body| body.to_bytes()),
    }
}

/// Sends the same request twice, and says what the cache said the second time, and how often the service was called.
pub(crate) async fn twice<F>(
    answer: F,
    request: impl Fn() -> Request<Full<Bytes>>,
) -> (String, usize)
where
    F: Fn(&Request<Full<Bytes>>) -> Response<Script> + Clone + Send,
{
    let (service, calls) = origin(answer);
    let service = layer().layer(service);
    send(&service, request()).await;
    let second = send(&service, request()).await;
    (second.cache, calls.count())
}
