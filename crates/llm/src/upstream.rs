mod body;
mod endpoint;
mod events;
mod headers;
mod send;

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tollgate_core::{Rejection, Reply, Wire, fact::Target};
use tower_service::Service;

use self::{body::Sent, send::Sending};
pub use self::{
    body::{StreamError, UpstreamBody},
    endpoint::{Endpoint, EndpointError},
};

/// Sends requests to the endpoint of their [`Target`], and meters what comes back: the innermost service of a stack.
///
/// The endpoint's address and credential are one value, made from configuration: nothing in a request can send a key
/// elsewhere. What fails on the way is a [`Rejection`] about the target, and stands in the trail as a
/// [`Failure`](tollgate_core::fact::Failure).
///
/// ```
/// use tollgate_llm::{Endpoint, Upstream};
///
/// let openai = Endpoint::new("openai", "https://api.openai.com/v1")?.bearer("sk-…".into())?;
/// let upstream = Upstream::new([openai]);
/// # Ok::<_, tollgate_llm::EndpointError>(())
/// ```
#[derive(Clone)]
pub struct Upstream {
    // Behind one pointer: a service is cloned for each request, and this one for each attempt too.
    shared: Arc<Shared>,
    max_answer: usize,
}

struct Shared {
    endpoints: HashMap<Arc<str>, Endpoint>,
    client: HttpClient,
}

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Sent>;

impl Upstream {
    /// Reaches these endpoints, over HTTP/1.1 and pooled connections.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self::with_versions(endpoints, false)
    }

    /// Reaches these endpoints, by HTTP/2 where TLS negotiates it. Requests to one endpoint then share a connection,
    /// and wait for each other beyond the number of streams that it allows.
    pub fn with_http2(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        Self::with_versions(endpoints, true)
    }

    fn with_versions(endpoints: impl IntoIterator<Item = Endpoint>, http2: bool) -> Self {
        let endpoints = endpoints.into_iter();
        Self {
            shared: Arc::new(Shared {
                endpoints: endpoints.map(|it| (Arc::clone(it.name()), it)).collect(),
                client: client(http2),
            }),
            max_answer: 32 << 20,
        }
    }

    /// The most bytes that a plain answer may have, since it is read whole; 32 MiB by default. Streams are not bounded.
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }
}

impl Service<Request<Full<Bytes>>> for Upstream {
    type Response = Response<Reply<UpstreamBody>>;
    type Error = Infallible;
    type Future = UpstreamFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> UpstreamFuture {
        let (parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let endpoint = parts
            .extensions
            .get::<Target>()
            .and_then(|target| self.shared.endpoints.get(&target.provider));
        let sending = endpoint.map(|endpoint| Sending::new(endpoint, parts, body, self.max_answer));
        let shared = Arc::clone(&self.shared);
        UpstreamFuture(Box::pin(async move {
            let answer = match sending {
                Some(sending) => sending.run(&shared.client).await,
                None => Err(no_endpoint()),
            };
            Ok(answer.unwrap_or_else(|rejection| rejection.into_response(wire)))
        }))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("endpoints", &self.shared.endpoints.keys())
            .finish_non_exhaustive()
    }
}

/// The response of an [`Upstream`].
pub struct UpstreamFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

type Answer = Result<Response<Reply<UpstreamBody>>, Infallible>;

impl Future for UpstreamFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for UpstreamFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamFuture").finish_non_exhaustive()
    }
}

fn client(http2: bool) -> HttpClient {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(Duration::from_secs(5)));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .expect("the provider supports the default versions of TLS")
        .https_or_http()
        .enable_http1();
    let connector = if http2 {
        builder.enable_http2().wrap_connector(http)
    } else {
        builder.wrap_connector(http)
    };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(1024)
        .build(connector)
}

fn no_endpoint() -> Rejection {
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "endpoint_missing",
        "no endpoint is configured for the target of this request",
    )
}
