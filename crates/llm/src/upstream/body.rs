use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::{bounded::Bounded, events::Events};

pin_project! {
    /// The body of an [`Upstream`](super::Upstream)'s answer.
    #[derive(Debug)]
    pub struct UpstreamBody {
        #[pin]
        kind: Kind,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind {
        Whole { #[pin] body: Full<Bytes> },
        Events { #[pin] body: Events<Bounded<Incoming>> },
    }
}

impl UpstreamBody {
    pub(super) fn whole(body: Bytes) -> Self {
        Self {
            kind: Kind::Whole {
                body: Full::new(body),
            },
        }
    }

    pub(super) const fn events(body: Events<Bounded<Incoming>>) -> Self {
        Self {
            kind: Kind::Events { body },
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.project().kind.project() {
            KindProj::Whole { body } => {
                let frame = ready!(body.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})))
            }
            KindProj::Events { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Events { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Events { body } => body.size_hint(),
        }
    }
}

/// A stream that ended before its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamError {
    code: Cow<'static, str>,
    told: bool,
    message: Option<String>,
}

impl StreamError {
    pub(super) const fn new(code: &'static str, told: bool, message: Option<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            told,
            message,
        }
    }

    /// What the provider said about it, if the client has not been told yet.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What happened, such as `stream_cut`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether the provider itself has told the client, with an event of its own.
    #[must_use]
    pub const fn was_told(&self) -> bool {
        self.told
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider's stream ended early ({})", self.code)
    }
}

impl std::error::Error for StreamError {}
