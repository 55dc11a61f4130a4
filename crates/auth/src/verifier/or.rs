use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Check, Verdict, Verifier};
use crate::Credential;

/// Asks one verifier, and another about what the first does not know; made by [`Verifier::or`].
#[derive(Debug)]
pub struct Or<A, B> {
    first: A,
    // A verdict of the first may take time, and the second is asked when it is there.
    second: Arc<B>,
}

impl<A, B> Or<A, B> {
    pub(super) fn new(first: A, second: B) -> Self {
        Self {
            first,
            second: Arc::new(second),
        }
    }
}

impl<A: Verifier, B: Verifier> Verifier for Or<A, B> {
    type Later = OrFuture<A::Later, B>;

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        let state = match self.first.verify(credential) {
            Check::Now(Verdict::Unknown) => match self.second.verify(credential) {
                Check::Now(verdict) => return Check::Now(verdict),
                Check::Later(second) => State::Second { second },
            },
            Check::Now(verdict) => return Check::Now(verdict),
            Check::Later(first) => State::First {
                first,
                second: Arc::clone(&self.second),
                credential: credential.clone().into_owned(),
            },
        };
        Check::Later(OrFuture { state })
    }
}

impl<A: Clone, B> Clone for Or<A, B> {
    fn clone(&self) -> Self {
        Self {
            first: self.first.clone(),
            second: Arc::clone(&self.second),
        }
    }
}

pin_project! {
    /// The later verdict of [`Or`].
    pub struct OrFuture<F, B: Verifier> {
        #[pin]
        state: State<F, B, B::Later>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, L> {
        First { #[pin] first: F, second: Arc<B>, credential: Credential<'static> },
        Second { #[pin] second: L },
    }
}

impl<F: Future<Output = Verdict>, B: Verifier> Future for OrFuture<F, B> {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        let mut state = self.project().state;
        loop {
            let check = match state.as_mut().project() {
                StateProj::Second { second } => return second.poll(cx),
                StateProj::First {
                    first,
                    second,
                    credential,
                } => match ready!(first.poll(cx)) {
                    Verdict::Unknown => second.verify(credential),
                    verdict => return Poll::Ready(verdict),
                },
            };
            match check {
                Check::Now(verdict) => return Poll::Ready(verdict),
                Check::Later(second) => state.set(State::Second { second }),
            }
        }
    }
}

impl<F, B: Verifier> fmt::Debug for OrFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrFuture").finish_non_exhaustive()
    }
}
