use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::OnEnd;
use crate::{Observer, Outcome, Wire};

pin_project! {
    /// A body whose end an [`Observer`] hears; everything else passes through unchanged.
    ///
    /// The end is told after the last frame of a body that knows its length, at the end of one that does not, at an
    /// error, or when the body is dropped.
    #[derive(Debug)]
    pub struct OnEndBody<B, O: Observer> {
        #[pin]
        inner: B,
        on_end: OnEnd<O>,
    }
}

impl<B: Body, O: Observer> OnEndBody<B, O> {
    /// Watches a body; one that is empty at birth has ended.
    pub fn new(inner: B, mut on_end: OnEnd<O>) -> Self {
        if !on_end.has_ended() && inner.is_end_stream() {
            on_end.end(Outcome::Completed);
        }
        Self { inner, on_end }
    }

    /// Shows the observer the head of `response` and watches its body. To a `HEAD` request the head is the end.
    pub fn response(response: Response<B>, mut on_end: OnEnd<O>, wire: Wire) -> Response<Self> {
        if on_end.has_ended() {
            return response.map(|inner| Self { inner, on_end });
        }
        let (mut head, body) = response.into_parts();
        on_end.answered(&mut head);
        if wire.is_head() {
            on_end.end(Outcome::Completed);
        }
        Response::from_parts(head, Self::new(body, on_end))
    }
}

impl<B, O> Body for OnEndBody<B, O>
where
    B: Body<Data = Bytes>,
    O: Observer,
{
    type Data = Bytes;
    type Error = B::Error;

    // Small, so that it is no call of its own where nobody listens.
    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.on_end.has_ended() {
            self.project().inner.poll_frame(cx)
        } else {
            self.poll_heard(cx)
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body<Data = Bytes>, O: Observer> OnEndBody<B, O> {
    fn poll_heard(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let mut inner = this.inner;
        let frame = ready!(this.on_end.watch(|| inner.as_mut().poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => this.on_end.frame(frame),
            Some(Err(_)) => this.on_end.end(Outcome::Failed),
            None => this.on_end.end(Outcome::Completed),
        }
        // Hyper stops polling a body of known length after its last frame.
        if !this.on_end.has_ended() && inner.is_end_stream() {
            this.on_end.end(Outcome::Completed);
        }
        Poll::Ready(frame)
    }
}
