use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::slot::Recording;

pin_project! {
    /// A body that passes as it comes; if it ends well, the cache keeps it.
    pub struct Recorded<B> {
        #[pin]
        inner: B,
        // Boxed: it is large, and a body is moved through the layers around it.
        recording: Option<Box<Recording>>,
    }
}

impl<B: Body> Recorded<B> {
    pub(crate) fn new(inner: B, recording: Option<Recording>) -> Self {
        let recording = recording.map(Box::new);
        let mut this = Self { inner, recording };
        // Nobody polls a body that is empty at birth.
        if this.inner.is_end_stream()
            && let Some(recording) = this.recording.take()
        {
            recording.keep();
        }
        this
    }
}

impl<B> Recorded<B> {
    pub(crate) const fn not(inner: B) -> Self {
        Self {
            inner,
            recording: None,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Recorded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let Some(recording) = this.recording.as_mut() else {
            return Poll::Ready(frame);
        };
        if let Some(frame) = &frame
            && !recording.push(frame)
        {
            *this.recording = None;
        }
        // Hyper stops polling a body of known length after its last frame.
        let ended = frame.is_none() || this.inner.is_end_stream();
        if ended && let Some(recording) = this.recording.take() {
            recording.keep();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for Recorded<B> {
    // What is recorded may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("inner", &self.inner)
            .field("recording", &self.recording.is_some())
            .finish()
    }
}
