use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{Hold, Short};

/// A [`Hold`] on its way: at once if the money is here, else after the bank was asked. Dropped, it holds nothing.
#[must_use = "futures do nothing unless polled"]
pub struct Holding(State);

enum State {
    Now(Option<Result<Hold, Short>>),
    Later(Pin<Box<dyn Future<Output = Result<Hold, Short>> + Send>>),
}

impl Holding {
    pub(super) const fn now(result: Result<Hold, Short>) -> Self {
        Self(State::Now(Some(result)))
    }

    pub(super) fn later(
        future: impl Future<Output = Result<Hold, Short>> + Send + 'static,
    ) -> Self {
        Self(State::Later(Box::pin(future)))
    }
}

impl Future for Holding {
    type Output = Result<Hold, Short>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.0 {
            State::Now(result) => {
                return Poll::Ready(result.take().expect("polled after completion"));
            }
            State::Later(future) => ready!(future.as_mut().poll(cx)),
        };
        self.0 = State::Now(None);
        Poll::Ready(result)
    }
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holding").finish_non_exhaustive()
    }
}
