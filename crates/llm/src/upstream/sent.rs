use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tollgate_core::{Trail, fact::Dispatch};

pin_project! {
    /// A request's body on its way to the provider: it says in the trail when the client begins to send the request.
    ///
    /// A connection is a task of its own, and may take a request just when nobody waits for it any more. So it is decided
    /// once whether it is sent, by who comes first: the connection, or the [`Waiting`] that is dropped.
    #[derive(Debug)]
    pub(crate) struct Sent {
        #[pin]
        body: Full<Bytes>,
        trail: Trail,
        state: Arc<AtomicU8>,
        send_by: Option<Instant>,
    }
}

/// Whoever waits for the answer. From its drop on the request is not sent, if it was not yet.
#[derive(Debug)]
pub(super) struct Waiting {
    trail: Trail,
    state: Arc<AtomicU8>,
}

impl Sent {
    pub(super) fn new(
        body: Full<Bytes>,
        trail: Trail,
        send_by: Option<Instant>,
    ) -> (Self, Waiting) {
        let state = Arc::new(AtomicU8::new(WAITS));
        let waiting = Waiting {
            trail: trail.clone(),
            state: Arc::clone(&state),
        };
        let sent = Self {
            body,
            trail,
            state,
            send_by,
        };
        (sent, waiting)
    }

    /// Whether it may be sent; from here on it counts as sent.
    fn may_go(&self) -> bool {
        let is_late = self.send_by.is_some_and(|send_by| Instant::now() > send_by);
        if decide(&self.state, if is_late { LATE } else { SENT }) != SENT {
            return false;
        }
        self.trail.set(Dispatch::Yes);
        true
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Left;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Left>>> {
        if !self.may_go() {
            return Poll::Ready(Some(Err(Left(()))));
        }
        let frame = self.project().body.poll_frame(cx);
        frame.map_err(|never| match never {})
    }

    /// A connection asks this right before it writes the head, which over HTTP/2 goes out before the body is polled. No
    /// connection that has not taken the request asks.
    fn is_end_stream(&self) -> bool {
        self.may_go() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Waiting {
    /// Whether it was too late to send it.
    pub(super) fn is_late(&self) -> bool {
        self.state.load(Ordering::Acquire) == LATE
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The connection may have decided, and not have said it yet.
        if decide(&self.state, LEFT) == SENT {
            self.trail.set(Dispatch::Yes);
        }
    }
}

/// Decides, if nobody has, and tells what is decided.
fn decide(state: &AtomicU8, wanted: u8) -> u8 {
    let decided = state.compare_exchange(WAITS, wanted, Ordering::AcqRel, Ordering::Acquire);
    decided.map_or_else(|decided| decided, |_| wanted)
}

const WAITS: u8 = 0;
const SENT: u8 = 1;
const LEFT: u8 = 2;
const LATE: u8 = 3;

/// Nobody waits for the answer any more, or it came too late.
#[derive(Debug)]
pub(crate) struct Left(());

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody waits for the answer any more, or it is too late to send it")
    }
}

impl std::error::Error for Left {}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use http_body::Body;
    use http_body_util::Full;
    use tokio::time::{Instant, advance};
    use tollgate_core::{Trail, fact::Dispatch};

    use super::Sent;

    fn scene() -> (Trail, Sent, super::Waiting) {
        let trail = Trail::new();
        trail.set(Dispatch::No);
        let (sent, waiting) = Sent::new(Full::from("body"), trail.clone(), None);
        (trail, sent, waiting)
    }

    #[test]
    fn what_a_connection_takes_when_nobody_waits_any_more_is_not_sent() {
        let (trail, sent, waiting) = scene();
        drop(waiting);
        assert!(!sent.is_end_stream());
        let mut cx = Context::from_waker(Waker::noop());
        let frame = pin!(sent).poll_frame(&mut cx);
        assert!(matches!(frame, Poll::Ready(Some(Err(_)))));
        assert_eq!(trail.get(), Some(Dispatch::No));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_connection_takes_too_late_is_not_sent() {
        for (waits, expected) in [(10, Dispatch::Yes), (11, Dispatch::No)] {
            let trail = Trail::new();
            trail.set(Dispatch::No);
            let send_by = Instant::now() + Duration::from_secs(10);
            let (sent, waiting) = Sent::new(Full::from("body"), trail.clone(), Some(send_by));

            advance(Duration::from_secs(waits)).await;
            assert!(!sent.is_end_stream());
            advance(Duration::from_secs(60)).await; // What is sent is sent.
            let mut cx = Context::from_waker(Waker::noop());
            let frame = pin!(sent).poll_frame(&mut cx);

            let is_late = expected == Dispatch::No;
            assert_eq!(matches!(frame, Poll::Ready(Some(Err(_)))), is_late);
            assert_eq!(waiting.is_late(), is_late);
            drop(waiting);
            assert_eq!(trail.get(), Some(expected));
        }
    }

    #[test]
    fn what_a_connection_has_taken_is_sent_before_whoever_leaves_is_heard() {
        let (trail, sent, waiting) = scene();
        assert_eq!(trail.get(), Some(Dispatch::No));
        super::decide(&sent.state, super::SENT); // and it is stopped before it says so
        drop(waiting);
        assert_eq!(trail.get(), Some(Dispatch::Yes));
        assert!(!sent.is_end_stream());
    }
}
