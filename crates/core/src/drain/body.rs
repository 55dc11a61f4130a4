use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::rest::Rest;

/// A body that is read on when it is dropped before its end; everything passes through unchanged.
pub struct DrainBody<B> {
    inner: Option<Pin<Box<B>>>,
    /// Nothing once it has ended.
    rest: Option<Rest>,
    /// What a drop does: it is known here what the type can do.
    drain: fn(Pin<Box<B>>, Rest),
}

impl<B> DrainBody<B> {
    pub(super) fn new(inner: B, rest: Rest) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        Self {
            rest: (!inner.is_end_stream()).then_some(rest),
            inner: Some(Box::pin(inner)),
            drain: |body, rest| rest.of_body(body),
        }
    }
}

impl<B: Body<Data = Bytes>> Body for DrainBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let inner = self.inner.as_mut().expect(OWN);
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || inner.is_end_stream() {
            self.rest = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().expect(OWN).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().expect(OWN).size_hint()
    }
}

impl<B> Drop for DrainBody<B> {
    fn drop(&mut self) {
        // What has panicked is not polled again.
        if let (Some(inner), Some(rest)) = (self.inner.take(), self.rest.take())
            && !std::thread::panicking()
        {
            (self.drain)(inner, rest);
        }
    }
}

impl<B> fmt::Debug for DrainBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBody")
            .field("ended", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}

const OWN: &str = "only a drop takes it";
