use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tollgate_core::OnEndBody;

use super::attempt::Trying;
use crate::{
    Busy,
    verdict::{Refusal, Verdict},
};

/// An answer that is given if no better one comes. Its layers have heard its end: nothing is held for it.
pub(super) struct Kept {
    pub(super) head: response::Parts,
    /// Nothing if it was too long or too slow.
    pub(super) body: Option<Bytes>,
    pub(super) trying: Trying,
    verdict: Verdict,
}

impl Kept {
    /// The better of two answers. The other's attempt is marked.
    pub(super) fn or(self, earlier: Self) -> Self {
        let (better, worse) = match earlier.is_better_than(self.verdict) {
            true => (earlier, self),
            false => (self, earlier),
        };
        worse.trying.superseded();
        better
    }

    /// Whether to give this answer and not a later one: one of a target's own before a refusal, the later one of two
    /// failures, and of two refusals the one that can pass sooner.
    pub(super) fn is_better_than(&self, later: Verdict) -> bool {
        let soon = |refusal: Refusal| refusal.retry_after.unwrap_or(Duration::MAX);
        match (later, self.verdict) {
            (Verdict::Refused(_), Verdict::Failed(_)) => true,
            (Verdict::Refused(late), Verdict::Refused(early)) => soon(early) <= soon(late),
            _ => false,
        }
    }
}

pin_project! {
    /// Reads an answer to its end before the next target is tried, so that what its layers hold is given back.
    pub(super) struct Keeping<B> {
        parts: Option<(response::Parts, Trying, Verdict)>,
        #[pin]
        body: Option<OnEndBody<B, Busy>>,
        read: BytesMut,
        #[pin]
        patience: Option<Sleep>,
    }
}

impl<B> Keeping<B> {
    pub(super) fn new(
        head: response::Parts,
        body: OnEndBody<B, Busy>,
        trying: Trying,
        verdict: Verdict,
    ) -> Self {
        Self {
            parts: Some((head, trying, verdict)),
            body: Some(body),
            read: BytesMut::new(),
            patience: None,
        }
    }
}

impl<B: Body<Data = Bytes>> Future for Keeping<B> {
    type Output = Kept;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Kept> {
        const TWICE: &str = "polled after completion";
        let mut this = self.project();
        let mut is_whole = true;
        while let Some(mut body) = this.body.as_mut().as_pin_mut() {
            if body.is_end_stream() {
                break;
            }
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if this.patience.is_none() {
                        this.patience.set(Some(sleep(PATIENCE)));
                    }
                    let patience = this.patience.as_mut().as_pin_mut();
                    ready!(patience.expect("set above").poll(cx));
                    is_whole = false;
                    break;
                }
            };
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    this.read.extend_from_slice(data);
                }
                Some(Err(_)) => is_whole = false,
            }
            if !is_whole || this.read.len() > MOST {
                is_whole = false;
                break;
            }
        }
        let (head, trying, verdict) = this.parts.take().expect(TWICE);
        if !is_whole {
            trying.superseded(); // Its answer is about to be dropped.
        }
        this.body.set(None);
        let body = is_whole.then(|| this.read.split().freeze());
        Poll::Ready(Kept {
            head,
            body,
            trying,
            verdict,
        })
    }
}

/// Errors are short, and who has another target does not wait for them.
const MOST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_millis(500);
