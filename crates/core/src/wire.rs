use http::{Method, header::CONTENT_TYPE, request::Parts};

/// What of a request decides the shape of its answer: whether it speaks gRPC, and whether it wants a head only.
///
/// A service that answers for itself notes it before it gives the request away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wire {
    grpc: bool,
    head: bool,
}

impl Wire {
    /// Reads it off a request's head.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let grpc = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| is_grpc(value.as_bytes()));
        Self {
            grpc,
            head: parts.method == Method::HEAD,
        }
    }

    /// Whether the caller speaks gRPC, by its content type.
    #[must_use]
    pub const fn is_grpc(self) -> bool {
        self.grpc
    }

    /// Whether the caller asked by `HEAD`, to which the head is the whole answer.
    #[must_use]
    pub const fn is_head(self) -> bool {
        self.head
    }
}

/// `application/grpc`, also with a `+proto` or parameters; not gRPC-Web, which frames its trailers in the body.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type.len() >= GRPC.len()
        && content_type[..GRPC.len()].eq_ignore_ascii_case(GRPC)
        && matches!(
            content_type.get(GRPC.len()),
            None | Some(b'+' | b';' | b' ')
        )
}
