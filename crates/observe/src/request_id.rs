use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, request, response};
use tollgate_core::{Admission, Gate, GateLayer, GateService, Never, Observer, Outcome};
use tower_layer::Layer;

/// Gives each request an `x-request-id` that has none, and each answer that of its request.
///
/// An id that the caller sent is kept if it is up to 128 visible ASCII characters. The service's own id in an answer is
/// kept as well. Ids are for finding things again; they are no secrets, and nothing may depend on their being unique.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use tollgate_observe::RequestIdLayer;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let app = Router::new().route("/", get(async || "hello")).layer(RequestIdLayer::new());
///
/// let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
/// assert_eq!(response.headers()["x-request-id"].len(), 32);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RequestIdLayer(GateLayer<RequestIds>);

impl RequestIdLayer {
    /// A layer that gives ids of 32 hexadecimal digits.
    #[must_use]
    pub fn new() -> Self {
        Self(GateLayer::new(RequestIds))
    }
}

impl Default for RequestIdLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = GateService<S, RequestIds>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(inner)
    }
}

/// The gate of a [`RequestIdLayer`]: it admits everybody.
#[derive(Clone, Copy, Debug)]
pub struct RequestIds;

impl Gate for RequestIds {
    type Observer = RequestId;
    type Later = Never<RequestId>;

    fn admit(&self, mut parts: request::Parts) -> Admission<RequestId, Self::Later> {
        let id = RequestId::of(&parts.headers).unwrap_or_else(|| {
            let id = RequestId::random();
            parts.headers.insert(NAME, id.0.clone());
            id
        });
        Admission::Now(Ok((parts, id)))
    }
}

/// A request's id; as an observer, it writes itself into the answer's head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one id among these headers, if it is sane.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(NAME).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let sane = (1..=LONGEST).contains(&value.len())
            && value.as_bytes().iter().all(u8::is_ascii_graphic);
        sane.then(|| Self(value.clone()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default() // It is visible ASCII.
    }

    fn random() -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        let bytes = fastrand::u128(..).to_le_bytes();
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&digits).expect("hexadecimal digits are visible"))
    }
}

impl Observer for RequestId {
    fn answered(&mut self, head: &mut response::Parts) {
        head.headers.entry(NAME).or_insert_with(|| self.0.clone());
    }

    fn ended(self, _: Outcome) {}
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const NAME: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 128;
