use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// A provider's body that may have to end at some time. Then its connection is given up whether anybody reads or not: a
/// caller who stops reading must not keep a call going.
pub(super) struct Bounded<B>(Kind<B>);

enum Kind<B> {
    Free(B),
    Until(Until<B>),
}

impl<B: Send + 'static> Bounded<B> {
    pub(super) fn new(body: B, end_by: Option<Instant>) -> Self {
        Self(match end_by {
            Some(end_by) => Kind::Until(Until::new(body, end_by)),
            None => Kind::Free(body),
        })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Bounded<B> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match &mut self.0 {
            Kind::Free(body) => Pin::new(body).poll_frame(cx),
            Kind::Until(until) => {
                let mut slot = lock(&until.slot);
                let Some(body) = &mut slot.body else {
                    return Poll::Ready(Some(Err(Broken)));
                };
                let frame = Pin::new(body).poll_frame(cx);
                if frame.is_pending() {
                    slot.waker = Some(cx.waker().clone());
                }
                frame
            }
        };
        frame.map(|frame| frame.map(|frame| frame.map_err(|_| Broken)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Free(body) => body.is_end_stream(),
            Kind::Until(until) => {
                let slot = lock(&until.slot);
                slot.body.as_ref().is_some_and(Body::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Free(body) => body.size_hint(),
            Kind::Until(_) => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for Bounded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").finish_non_exhaustive()
    }
}

/// A body that a task takes away at its time.
struct Until<B> {
    slot: Arc<Mutex<Slot<B>>>,
    task: JoinHandle<()>,
}

struct Slot<B> {
    body: Option<B>,
    waker: Option<Waker>,
}

impl<B: Send + 'static> Until<B> {
    fn new(body: B, end_by: Instant) -> Self {
        let slot = Arc::new(Mutex::new(Slot {
            body: Some(body),
            waker: None,
        }));
        let weak = Arc::downgrade(&slot);
        let task = tokio::spawn(async move {
            sleep_until(end_by).await;
            let Some(slot) = weak.upgrade() else {
                return;
            };
            let (body, waker) = {
                let mut slot = lock(&slot);
                (slot.body.take(), slot.waker.take())
            };
            drop(body);
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Self { slot, task }
    }
}

impl<B> Drop for Until<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// It ended early.
pub(super) struct Broken;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::time::advance;

    use super::*;

    /// Says nothing, and tells when it is dropped.
    struct Silent {
        #[expect(dead_code, reason = "it is counted")]
        life: Arc<()>,
    }

    impl Body for Silent {
        type Data = Bytes;
        type Error = ();

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
            Poll::Pending
        }
    }

    fn silent(life: &Arc<()>) -> Silent {
        Silent {
            life: Arc::clone(life),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_waits_hears_of_the_end() {
        let end_by = Instant::now() + Duration::from_secs(60);
        let mut body = Bounded::new(silent(&Arc::default()), Some(end_by));

        assert!(matches!(body.frame().await, Some(Err(Broken))));
        assert_eq!(Instant::now(), end_by);
        assert!(!body.is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_ends_all_the_same() {
        let (life, end_by) = (Arc::new(()), Instant::now() + Duration::from_secs(60));
        let _unread = Bounded::new(silent(&life), Some(end_by));
        tokio::task::yield_now().await;

        advance(Duration::from_millis(59_999)).await;
        assert_eq!(Arc::strong_count(&life), 2);
        advance(Duration::from_millis(2)).await;
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&life), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_drops_it_ends_it_at_once() {
        let (life, end_by) = (Arc::new(()), Instant::now() + Duration::from_secs(60));
        let body = Bounded::new(silent(&life), Some(end_by));
        tokio::task::yield_now().await;

        drop(body);

        assert_eq!(Arc::strong_count(&life), 1);
    }
}
