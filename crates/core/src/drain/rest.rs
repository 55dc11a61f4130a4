use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::ready,
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::{runtime::Handle, time::timeout};

use super::DrainLayer;
use crate::{Trail, fact::Dispatch};

/// What becomes of the rest of an answer.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    trail: Trail,
    bytes: u64,
    time: Duration,
    at_once: usize,
    running: Arc<AtomicUsize>,
}

impl Rest {
    pub(super) fn new(layer: &DrainLayer, trail: Trail) -> Self {
        Self {
            trail,
            bytes: layer.bytes,
            time: layer.time,
            at_once: layer.at_once,
            running: Arc::clone(&layer.running),
        }
    }

    /// Waits for the answer, and reads it.
    pub(super) fn of_call<F, B, E>(self, call: Pin<Box<F>>)
    where
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
    {
        let bytes = self.bytes;
        self.spawn(async move {
            let body = match call.await {
                Ok(response) => Box::pin(response.into_body()),
                Err(_) => return,
            };
            read(body, bytes).await;
        });
    }

    /// Reads the rest of a body.
    pub(super) fn of_body<B>(self, body: Pin<Box<B>>)
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let bytes = self.bytes;
        self.spawn(read(body, bytes));
    }

    /// Runs this within the bounds, if anything was sent; else it is dropped here.
    fn spawn(self, reading: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.at_once == 0 || self.trail.get() != Some(Dispatch::Yes) {
            return;
        }
        let place = Place::take(self.running, self.at_once);
        let Some(place) = place else {
            tracing::warn!("an answer is not read on: too many others are");
            return;
        };
        let time = self.time;
        runtime.spawn(async move {
            if timeout(time, reading).await.is_err() {
                tracing::debug!("an answer that was read on took too long");
            }
            drop(place);
        });
    }
}

/// Reads a body to its end, or so far.
async fn read<B: Body<Data = Bytes>>(mut body: Pin<Box<B>>, bytes: u64) {
    let mut left = bytes;
    poll_fn(|cx| {
        while !body.is_end_stream() {
            let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) else {
                break;
            };
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(less) = left.checked_sub(length) else {
                tracing::debug!("an answer that was read on is too long");
                break;
            };
            left = less;
        }
        std::task::Poll::Ready(())
    })
    .await;
}

/// A place among those that are read on.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(running);
        let others = place.0.fetch_add(1, Ordering::Relaxed);
        (others < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
