use bytes::Bytes;
use http::response;
use http_body::Frame;
use serde::Serialize;

/// Hears how a response went; the end is told exactly once.
///
/// A [`Gate`](crate::Gate) gives one for each request that it admits. Observers run behind a panic guard: one that
/// panics is logged and costs nobody else anything.
///
/// An observer that is dropped without [`ended`](Self::ended) belongs to a request that was never admitted: its own
/// `Drop` gives back what it took.
///
/// `()` hears nothing, an `Option` hears if there is one, and a closure `FnOnce(Outcome)` hears the end.
pub trait Observer {
    /// Whether it hears anything at all. One that does not is dropped at once, and its answer passes by untouched.
    fn listens(&self) -> bool {
        true
    }

    /// The head of the answer is there, and may still be changed. A status of 400 and above, and a
    /// [`Rejection`](crate::Rejection) among the extensions, are judged here.
    fn answered(&mut self, _head: &mut response::Parts) {}

    /// A frame of the answer's body is about to be passed on.
    fn frame(&mut self, _frame: &Frame<Bytes>) {}

    /// The answer has ended, whatever ended it. Observers further in have heard it before.
    fn ended(self, outcome: Outcome);
}

impl Observer for () {
    fn listens(&self) -> bool {
        false
    }

    fn ended(self, _: Outcome) {}
}

impl<F: FnOnce(Outcome)> Observer for F {
    fn ended(self, outcome: Outcome) {
        self(outcome);
    }
}

impl<O: Observer> Observer for Option<O> {
    fn listens(&self) -> bool {
        self.as_ref().is_some_and(O::listens)
    }

    fn answered(&mut self, head: &mut response::Parts) {
        if let Some(observer) = self {
            observer.answered(head);
        }
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(observer) = self {
            observer.frame(frame);
        }
    }

    fn ended(self, outcome: Outcome) {
        if let Some(observer) = self {
            observer.ended(outcome);
        }
    }
}

/// How a response ended. It judges the transport: a complete `500` has `Completed`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer was given whole.
    Completed,
    /// The service or its body broke off with an error, or panicked.
    Failed,
    /// The caller left, or whoever asked dropped the answer.
    Cancelled,
}

impl Outcome {
    /// The outcome as a label: `completed`, `failed` or `cancelled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
