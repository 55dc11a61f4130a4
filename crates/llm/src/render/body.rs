use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tollgate_core::{BoxError, Elapsed, Reply};

use crate::openai;

pin_project! {
    /// A body whose failure is told in the stream itself, if it is a stream of events.
    pub struct RenderBody<B> {
        #[pin]
        inner: Reply<B>,
        tells: bool,
        ended: bool,
    }
}

impl<B> RenderBody<B> {
    pub(super) const fn plain(inner: Reply<B>) -> Self {
        Self {
            inner,
            tells: false,
            ended: false,
        }
    }

    pub(super) const fn events(inner: Reply<B>) -> Self {
        Self {
            inner,
            tells: true,
            ended: false,
        }
    }
}

impl<B> Body for RenderBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.inner.poll_frame(cx)) {
            Some(Err(error)) if *this.tells => {
                *this.ended = true;
                event(&error.into()).map(|event| Ok(Frame::data(event)))
            }
            frame => frame.map(|frame| frame.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ended {
            return SizeHint::with_exact(0);
        }
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for RenderBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderBody").finish_non_exhaustive()
    }
}

/// The event that tells of an error, unless the provider has told of it.
fn event(error: &BoxError) -> Option<Bytes> {
    if error.is::<Elapsed>() {
        let message = "the provider did not go on in time";
        return Some(openai::error_event(message, "timeout"));
    }
    #[cfg(feature = "upstream")]
    if let Some(error) = error.downcast_ref::<crate::StreamError>() {
        let message = "the provider's stream ended early";
        return (!error.was_told()).then(|| openai::error_event(message, error.code()));
    }
    let message = "the stream broke off";
    Some(openai::error_event(message, "stream_failed"))
}
