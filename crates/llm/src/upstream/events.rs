mod relay;
#[cfg(feature = "fuzzing")]
mod whole;

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tollgate_core::{
    Trail,
    fact::{Failure, Phase},
};

pub(super) use self::relay::Output;
pub(crate) use self::relay::Relay;
#[cfg(feature = "fuzzing")]
pub(crate) use self::whole::{passed, relayed};
use super::StreamError;

pin_project! {
    /// A provider's event stream, passed on event by event and metered.
    ///
    /// Pieces are cut anywhere; an event goes out once it is whole, so that a client never sees half of one when the
    /// provider breaks off.
    pub(super) struct Events<B> {
        #[pin]
        inner: B,
        relay: Relay,
        trail: Trail,
        failure: Option<&'static str>,
        ended: bool,
        #[pin]
        grace: Option<Sleep>,
    }
}

impl<B> Events<B> {
    /// Passes `inner` on by way of `relay`.
    pub(super) fn new(inner: B, trail: Trail, relay: Relay) -> Self {
        Self {
            inner,
            relay,
            trail,
            failure: None,
            ended: false,
            grace: None,
        }
    }
}

impl<B> Body for Events<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let mut this = self.project();
        // After the end mark the stream's own end is mostly there as well: to see it now lets those outside know that
        // the answer is complete, before a client hangs up that has read enough.
        while !*this.ended && (!this.relay.has_ready() || this.relay.is_done()) {
            let failure = match this.inner.as_mut().poll_frame(cx) {
                Poll::Pending if this.relay.has_ready() => break,
                Poll::Pending if this.relay.is_done() => {
                    // The connection can be used again if its end comes soon; the answer is complete all the same.
                    if this.grace.is_none() {
                        this.grace.set(Some(sleep(GRACE)));
                    }
                    ready!(
                        this.grace
                            .as_mut()
                            .as_pin_mut()
                            .expect("set above")
                            .poll(cx)
                    );
                    *this.ended = true;
                    this.relay.cut()
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                    Some(piece) => this.relay.read(piece),
                    None => None, // Trailers of an event stream say nothing.
                },
                Poll::Ready(Some(Err(_))) => {
                    *this.ended = true;
                    this.relay.cut()
                }
                Poll::Ready(None) => {
                    *this.ended = true;
                    this.relay.finish()
                }
            };
            if failure.is_some() {
                *this.ended = true;
                *this.failure = failure;
            }
        }
        if *this.ended {
            this.relay.settle();
        }
        if let Some(piece) = this.relay.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(this.failure.take().map(|code| {
            this.trail.set(Failure {
                code: Cow::Borrowed(code),
                phase: Phase::Body,
            });
            Err(StreamError::new(
                code,
                this.relay.was_told(),
                this.relay.take_message(),
            ))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.failure.is_none() && !self.relay.has_ready()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        SizeHint::default()
    }
}

impl<B> fmt::Debug for Events<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// How long the end of a stream may come after its end mark.
const GRACE: Duration = Duration::from_secs(1);
