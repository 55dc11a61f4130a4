use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Check, Verdict, Verifier};
use crate::{Credential, KeyRing};

/// Binds whomever a verifier knows to the groups of a [`KeyRing`]'s store; made by [`Verifier::within`].
///
/// It does so at each request, so that what the verifier remembers does not outlive a change of a group.
#[derive(Clone, Debug)]
pub struct Within<V> {
    inner: V,
    ring: Option<KeyRing>,
}

impl<V> Within<V> {
    pub(super) const fn new(inner: V, ring: Option<KeyRing>) -> Self {
        Self { inner, ring }
    }
}

impl<V: Verifier> Verifier for Within<V> {
    type Later = WithinFuture<V::Later>;

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        match self.inner.verify(credential) {
            Check::Now(verdict) => Check::Now(bind(self.ring.as_ref(), verdict)),
            Check::Later(later) => Check::Later(WithinFuture {
                later,
                ring: self.ring.clone(),
            }),
        }
    }
}

pin_project! {
    /// The later verdict of [`Within`].
    pub struct WithinFuture<F> {
        #[pin]
        later: F,
        ring: Option<KeyRing>,
    }
}

impl<F: Future<Output = Verdict>> Future for WithinFuture<F> {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        let this = self.project();
        let verdict = ready!(this.later.poll(cx));
        Poll::Ready(bind(this.ring.as_ref(), verdict))
    }
}

impl<F> fmt::Debug for WithinFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithinFuture").finish_non_exhaustive()
    }
}

fn bind(ring: Option<&KeyRing>, verdict: Verdict) -> Verdict {
    match (verdict, ring) {
        (Verdict::Known(principal), Some(ring)) => ring.bind(principal),
        (verdict, _) => verdict,
    }
}
