use http::{
    HeaderValue, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    request, response,
};
use tollgate::core::{Observer, Outcome, Payload, Rejection, Trail};

/// Says `Connection: close` with a refusal that leaves a long body unread, since hyper then closes the connection: a
/// client that is not told sends its next request into the void.
pub(crate) fn close_unread(parts: &mut request::Parts) -> Result<Option<Unread>, Rejection> {
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let long = length.is_some_and(|length: u64| length > DRAINED);
    let unread = long || parts.headers.contains_key(TRANSFER_ENCODING);
    let http1 = parts.version < Version::HTTP_2;
    Ok((http1 && unread).then(|| Unread(Trail::of(parts))))
}

/// Hears whether the request was refused before its body was read.
#[derive(Debug)]
pub(crate) struct Unread(Trail);

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

/// Hyper reads what has already arrived of a body that nobody wanted, and keeps the connection if that was all.
const DRAINED: u64 = 4096;
