mod body;
mod future;
mod rest;

use std::{
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use self::rest::Rest;
pub use self::{body::DrainBody, future::DrainFuture};
use crate::Trail;

/// Reads an answer on to its end when the caller leaves before it.
///
/// Layers inside do not hear that the caller has left: they go on to the end that the answer itself has, and know what
/// it has used when a provider says so in its last words. So it stands outside a quota, and inside what chooses a target.
/// Only what has been sent is read on, by the trail's [`Dispatch`](crate::fact::Dispatch): a request that still waits is
/// cancelled, as all are without this layer.
///
/// | option | what it bounds | default |
/// |---|---|---|
/// | [`bytes`](Self::bytes) | how much of an answer is read on | 8 MiB |
/// | [`time`](Self::time) | how long it is read on | 10 min |
/// | [`at_once`](Self::at_once) | how many answers are read on at the same time, all clones together | 1000 |
///
/// Past a bound the answer is dropped, and those inside hear `Cancelled`. It needs a runtime of tokio's; what is read on
/// when that shuts down is dropped with it.
///
/// ```
/// use std::time::Duration;
/// use tollgate_core::DrainLayer;
///
/// let layer = DrainLayer::new().time(Duration::from_secs(60)).at_once(100);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct DrainLayer {
    bytes: u64,
    time: Duration,
    at_once: usize,
    running: Arc<AtomicUsize>,
}

impl DrainLayer {
    /// A layer with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: 8 << 20,
            time: Duration::from_secs(600),
            at_once: 1000,
            running: Arc::default(),
        }
    }

    /// Sets how many bytes of an answer are read on at most.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Sets how long an answer is read on at most.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Sets how many answers are read on at the same time; with zero, none is.
    #[must_use]
    pub fn at_once(self, answers: usize) -> Self {
        Self {
            at_once: answers,
            ..self
        }
    }
}

impl Default for DrainLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DrainService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service behind a [`DrainLayer`].
#[derive(Clone, Debug)]
pub struct DrainService<S> {
    inner: S,
    layer: DrainLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DrainService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    ResBody: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<DrainBody<ResBody>>;
    type Error = S::Error;
    type Future = DrainFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let rest = Rest::new(&self.layer, Trail::of(&mut parts));
        DrainFuture::new(self.inner.call(Request::from_parts(parts, body)), rest)
    }
}
