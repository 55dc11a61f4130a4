use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Two bounds, of which the nearer one ends a wait. The timer is made when something first waits, and moved
    /// only when it fires: most frames cost it nothing.
    pub(super) struct Clock {
        wait: Option<Duration>,
        waiting: Option<Instant>,
        end: Option<Instant>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Clock {
    /// Counts from now.
    pub(super) fn new(wait: Option<Duration>, total: Option<Duration>) -> Self {
        let now = (wait.is_some() || total.is_some()).then(Instant::now);
        Self {
            wait,
            waiting: now,
            end: now
                .zip(total)
                .and_then(|(now, total)| now.checked_add(total)),
            timer: None,
        }
    }

    /// The same end, and a bound for each wait to come.
    pub(super) fn for_body(&self, wait: Option<Duration>) -> Self {
        Self {
            wait,
            waiting: None,
            end: self.end,
            timer: None,
        }
    }

    /// What was waited for is there.
    pub(super) fn arrived(self: Pin<&mut Self>) {
        *self.project().waiting = None;
    }

    /// Whether a bound has been passed; if not, the task is woken when one is.
    pub(super) fn is_over(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let waited = this.wait.and_then(|wait| {
            let since = *this.waiting.get_or_insert_with(Instant::now);
            since.checked_add(wait)
        });
        let Some(deadline) = waited.into_iter().chain(*this.end).min() else {
            return false;
        };
        loop {
            match this.timer.as_mut().as_pin_mut() {
                None => this.timer.set(Some(sleep_until(deadline))),
                // A timer left from an earlier wait may ring too late for this one, or too early.
                Some(timer) if timer.deadline() > deadline => timer.reset(deadline),
                Some(timer) => match timer.poll(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(()) if Instant::now() >= deadline => return true,
                    Poll::Ready(()) => this.timer.set(Some(sleep_until(deadline))),
                },
            }
        }
    }
}

/// The error of a body that took too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Elapsed(pub(super) ());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not go on in time")
    }
}

impl std::error::Error for Elapsed {}
