use http::{
    HeaderValue, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    request, response,
};

use crate::{Admission, Gate, Never, Observer, Outcome, Payload, Rejection, Trail};

/// A [`Gate`] that refuses nobody, and says `Connection: close` with a [`Rejection`] that leaves a long body unread.
///
/// A server of HTTP/1 such as hyper's closes a connection on which a body is left over, and a client that is not told
/// sends its next request into the void. Stands outside every layer that can refuse, in a service over HTTP/1; requests
/// over HTTP/2 pass as they are.
///
/// ```
/// use axum::{Router, routing::post};
/// use http::StatusCode;
/// use tollgate_core::{CloseUnread, GateLayer, Rejection, gate_fn};
///
/// // In the place of an `AuthLayer`, which knows strangers by their head.
/// let auth = GateLayer::new(gate_fn(|parts| match parts.headers.contains_key("authorization") {
///     true => Ok(()),
///     false => Err(Rejection::new(StatusCode::UNAUTHORIZED, "no_key", "say who you are")),
/// }));
///
/// let app: Router = Router::new()
///     .route("/", post(|body: String| async move { body.len().to_string() }))
///     .layer((GateLayer::new(CloseUnread), auth)); // the first stands outermost
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CloseUnread;

impl Gate for CloseUnread {
    type Observer = Option<Unread>;
    type Later = Never<Self::Observer>; // decides at once

    fn admit(&self, mut parts: request::Parts) -> Admission<Self::Observer, Self::Later> {
        let closes = parts.version < Version::HTTP_2 && is_long(&parts);
        let observer = closes.then(|| Unread(Trail::of(&mut parts)));
        Admission::Now(Ok((parts, observer)))
    }
}

/// Hears whether a request was refused before its body was read.
#[derive(Debug)]
pub struct Unread(Trail);

impl Observer for Unread {
    fn answered(&mut self, head: &mut response::Parts) {
        let refused = head.extensions.get::<Rejection>().is_some();
        if refused && self.0.get::<Payload>().is_none() {
            let close = HeaderValue::from_static("close");
            head.headers.insert(CONNECTION, close);
        }
    }

    fn ended(self, _: Outcome) {}
}

fn is_long(parts: &request::Parts) -> bool {
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > DRAINED)
        || parts.headers.contains_key(TRANSFER_ENCODING)
}

/// Hyper reads what has already arrived of a body that nobody wanted, and keeps the connection if that was all.
const DRAINED: u64 = 4096;
