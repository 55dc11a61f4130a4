mod body;
mod bounded;
mod client;
mod endpoint;
mod events;
mod headers;
mod plain;
mod plan;
mod send;
mod sent;
mod transport;

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::watch;
use tollgate_core::{
    Rejection, Reply, Trail, Wire,
    fact::{Call, Dispatch, Target},
};
use tower_service::Service;

use crate::{Prices, WorstCase, tariff::Tariff};

#[cfg(feature = "fuzzing")]
pub(crate) use self::events::{Relay, passed, relayed};
pub use self::{
    body::{StreamError, UpstreamBody},
    endpoint::{Endpoint, EndpointError},
};
use self::{
    client::{Clients, HttpClient},
    send::{Sending, Start},
};

/// Sends requests to the endpoint of their [`Target`], and meters what comes back: the innermost service of a stack.
///
/// The endpoint's address and credential are one value, made from configuration: nothing in a request can send a key
/// elsewhere. What fails on the way is a [`Rejection`] about the target, and stands in the trail as a
/// [`Failure`](tollgate_core::fact::Failure). A request with a [`Lifetime`](tollgate_core::fact::Lifetime) is not sent late,
/// and is cut off at its end, whether anybody reads or not.
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
    destinations: Arc<HashMap<Arc<str>, Arc<Destination>>>,
    prices: watch::Receiver<Prices>,
    max_answer: usize,
}

/// An endpoint, and the client that reaches it.
struct Destination {
    endpoint: Endpoint,
    client: HttpClient,
}

impl Upstream {
    /// Reaches these endpoints, over pooled connections. Those that are reached in the same way share a pool.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let mut clients = Clients::default();
        let destinations = endpoints.into_iter().map(|endpoint| {
            let client = clients.client(endpoint.transport());
            let name = Arc::clone(endpoint.name());
            (name, Arc::new(Destination { endpoint, client }))
        });
        Self {
            destinations: Arc::new(destinations.collect()),
            prices: watch::channel(Prices::built_in()).1,
            max_answer: 32 << 20,
        }
    }

    /// Sets what models cost and can do; the [built-in table](Prices::built_in) by default. A model is looked up by the
    /// endpoint's name, then by its dialect's.
    #[must_use]
    pub fn prices(self, prices: Prices) -> Self {
        self.watch_prices(watch::channel(prices).1)
    }

    /// Takes what models cost and can do from a channel, for who reads it again while requests are served. What was begun
    /// at a price is settled at it, or at the one that is in force when it ends if that is dearer.
    #[must_use]
    pub fn watch_prices(mut self, prices: watch::Receiver<Prices>) -> Self {
        self.prices = prices;
        self
    }

    /// The most bytes that a plain answer may have, since it is read whole; 32 MiB by default. Streams are not bounded.
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }
}

impl Upstream {
    /// What a call can cost at most at these endpoints, by the same prices.
    #[must_use]
    pub fn worst_case(&self) -> WorstCase {
        let endpoints = self.destinations.values().map(|it| &it.endpoint);
        let dialects = endpoints.map(|it| (Arc::clone(it.name()), it.speaks()));
        WorstCase::new(self.prices.clone(), dialects)
    }

    /// The prices that it goes by, for who has to hear of others.
    #[must_use]
    pub fn watched_prices(&self) -> watch::Receiver<Prices> {
        self.prices.clone()
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
        let (mut parts, body) = request.into_parts();
        let wire = Wire::of(&parts);
        let trail = Trail::of(&mut parts);
        trail.set(Dispatch::No);
        let target = parts.extensions.get::<Target>();
        let found = target.and_then(|target| {
            let destination = self.destinations.get(&target.provider)?;
            let model = match parts.extensions.get::<Call>() {
                Some(call) if target.model.is_empty() => &call.model,
                _ => &target.model,
            };
            let endpoint = &destination.endpoint;
            let known = Tariff::watch(&self.prices, endpoint.name(), endpoint.speaks(), model);
            Some((Arc::clone(destination), known))
        });
        let start = found.map(|(destination, known)| {
            let endpoint = &destination.endpoint;
            let start = Sending::start(endpoint, known, trail, parts, body, self.max_answer);
            (start, destination)
        });
        UpstreamFuture(Box::pin(async move {
            let answer = match start {
                Some((Start::Send(sending), destination)) => sending.run(&destination.client).await,
                Some((Start::Known(response), _)) => Ok(*response),
                Some((Start::Refused(rejection), _)) => Err(rejection),
                None => Err(no_endpoint()),
            };
            Ok(answer.unwrap_or_else(|rejection| rejection.into_response(wire)))
        }))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("endpoints", &self.destinations.keys())
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

fn no_endpoint() -> Rejection {
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "endpoint_missing",
        "no endpoint is configured for the target of this request",
    )
}
