mod body;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use http::response;
use http_body::Frame;

use crate::{Observer, Outcome};

pub use self::body::OnEndBody;

/// Tells an [`Observer`] the end once, whatever ends the response.
///
/// Make it *before* the inner service is called, run the service inside [`watch`](Self::watch), and hand it to an
/// [`OnEndBody`] with the answer. If it is dropped on the way, that was the end: `Failed` when what ran inside
/// panicked, else `Cancelled`.
///
/// Keep it in a field *below* what it watches: fields are dropped in order, and inner observers hear before outer ones.
///
/// ```
/// use tollgate_core::{OnEnd, Outcome};
///
/// let mut on_end = OnEnd::new(|outcome| assert_eq!(outcome, Outcome::Cancelled));
/// let answer = on_end.watch(|| "the service runs here");
/// drop(on_end); // the caller left
/// # assert_eq!(answer, "the service runs here");
/// ```
pub struct OnEnd<O: Observer> {
    observer: Option<O>,
    inside: bool,
}

impl<O: Observer> OnEnd<O> {
    /// Watches on behalf of `observer`.
    pub fn new(observer: O) -> Self {
        Self {
            observer: observer.listens().then_some(observer),
            inside: false,
        }
    }

    /// Runs a part of what is watched, and remembers if it panicked.
    pub fn watch<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.inside = true;
        let value = run();
        self.inside = false;
        value
    }

    /// Shows the observer the answer's head.
    pub fn answered(&mut self, head: &mut response::Parts) {
        self.tell(|observer| observer.answered(head));
    }

    /// Shows the observer a frame of the answer's body.
    pub fn frame(&mut self, frame: &Frame<Bytes>) {
        self.tell(|observer| observer.frame(frame));
    }

    /// Tells the end, if it has not been told.
    pub fn end(&mut self, outcome: Outcome) {
        if let Some(observer) = self.observer.take() {
            shielded(|| observer.ended(outcome));
        }
    }

    /// Whether nobody listens any more, since the end has been told or nobody ever did.
    pub const fn has_ended(&self) -> bool {
        self.observer.is_none()
    }

    fn tell(&mut self, hear: impl FnOnce(&mut O)) {
        if let Some(observer) = self.observer.as_mut() {
            shielded(|| hear(observer));
        }
    }
}

impl<O: Observer> Drop for OnEnd<O> {
    fn drop(&mut self) {
        self.end(if self.inside {
            Outcome::Failed
        } else {
            Outcome::Cancelled
        });
    }
}

impl<O: Observer> fmt::Debug for OnEnd<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnEnd")
            .field("ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

/// Runs a user's callback; a panic in it is logged and goes no further.
fn shielded(callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        tracing::error!("an observer panicked");
    }
}
