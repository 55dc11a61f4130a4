use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Clock, Elapsed, failure};
use crate::{Trail, fact::Phase};

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// A body that must go on in time.
    pub struct TimeoutBody<B> {
        #[pin]
        inner: Option<B>,
        #[pin]
        clock: Clock,
        trail: Option<Trail>,
    }
}

impl<B> TimeoutBody<B> {
    pub(super) const fn new(inner: B, clock: Clock, trail: Option<Trail>) -> Self {
        Self {
            inner: Some(inner),
            clock,
            trail,
        }
    }
}

impl<B> Body for TimeoutBody<B>
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
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match inner.poll_frame(cx) {
            Poll::Ready(frame) => {
                this.clock.arrived();
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending if this.clock.as_mut().is_over(cx) => {
                if let Some(trail) = this.trail.take() {
                    trail.set(failure(Phase::Body));
                }
                this.inner.set(None);
                Poll::Ready(Some(Err(Elapsed(()).into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for TimeoutBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutBody").finish_non_exhaustive()
    }
}
