mod digest;
mod gather;
mod service;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body_util::Full;
use tower_layer::Layer;

use crate::Trail;

pub use self::{
    digest::Digest,
    gather::Gather,
    service::{PayloadFuture, PayloadService},
};

/// Reads a request's body, once for all layers further in.
///
/// They find it as [`Payload`] among the request's extensions and in the [`Trail`], and get it as a [`Full`] body,
/// which can be sent more than once. It is not for streaming gRPC or uploads too large to hold: give those a route
/// without it. Trailers of a request are left out.
///
/// | option | what it bounds | default |
/// |---|---|---|
/// | [`limit`](Self::limit) | the body's size; over it the answer is 413 | 2 MiB |
/// | [`timeout`](Self::timeout) | how long reading may take; past it the answer is 408 | 30 s |
///
/// A body that breaks off is answered with 400.
#[derive(Clone, Copy, Debug)]
pub struct PayloadLayer {
    limit: usize,
    timeout: Duration,
}

impl PayloadLayer {
    /// A layer with the default bounds.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limit: 2 << 20,
            timeout: Duration::from_secs(30),
        }
    }

    /// Sets the most bytes that a body may have.
    #[must_use]
    pub const fn limit(self, bytes: usize) -> Self {
        Self {
            limit: bytes,
            ..self
        }
    }

    /// Sets the longest time that reading a body may take.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl Default for PayloadLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for PayloadLayer {
    type Service = PayloadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PayloadService::new(inner, *self)
    }
}

/// A request's body, whole. Clones share the bytes, and their digest.
#[derive(Clone)]
pub struct Payload {
    bytes: Bytes,
    digest: Arc<OnceLock<Digest>>,
}

impl Payload {
    /// A body of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            digest: Arc::default(),
        }
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of the bytes, computed when it is first asked for and by one who asks.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }

    /// Changes a request's body: the body itself, the extension, the trail and `Content-Length` together.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Full;
    /// use tollgate_core::Payload;
    ///
    /// let mut request = Request::new(Full::new(Bytes::from("secret")));
    /// Payload::replace(&mut request, Bytes::from("[redacted]"));
    /// assert_eq!(request.headers()["content-length"], "10");
    /// assert_eq!(request.extensions().get::<Payload>().unwrap().bytes(), "[redacted]");
    /// ```
    pub fn replace(request: &mut Request<Full<Bytes>>, bytes: Bytes) {
        let headers = request.headers_mut();
        headers.remove(TRANSFER_ENCODING);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let payload = Self::new(bytes.clone());
        Trail::in_extensions(request.extensions_mut()).set(payload.clone());
        request.extensions_mut().insert(payload);
        *request.body_mut() = Full::new(bytes);
    }
}

// A body may hold secrets.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}
