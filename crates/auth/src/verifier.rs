mod or;
mod within;

use std::{
    fmt,
    future::{Future, Ready},
    sync::Arc,
};

use tollgate_core::{Rejection, fact::Principal};

use crate::{Credential, KeyRing};

pub use self::{
    or::{Or, OrFuture},
    within::{Within, WithinFuture},
};

/// Says who it is that presents a credential.
///
/// [`ApiKeys`](crate::ApiKeys) is one, [`verify_fn`] makes one of a closure, and [`or`](Self::or) asks several in turn.
///
/// ```
/// use std::future::Ready;
/// use tollgate_auth::{Check, Credential, Verdict, Verifier};
/// use tollgate_core::fact::Principal;
///
/// /// Believes everything; for trials only.
/// struct Gullible;
///
/// impl Verifier for Gullible {
///     type Later = Ready<Verdict>; // decides at once
///
///     fn verify(&self, _: &Credential<'_>) -> Check<Self::Later> {
///         Check::Now(Verdict::Known(Principal::new("anybody")))
///     }
/// }
/// ```
pub trait Verifier {
    /// A verdict that takes time; [`Ready`] for a verifier that decides at once.
    type Later: Future<Output = Verdict>;

    /// Looks at a credential. What a later verdict needs of it, it copies.
    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later>;

    /// Asks `next` about credentials that this one does not know.
    fn or<V: Verifier>(self, next: V) -> Or<Self, V>
    where
        Self: Sized,
    {
        Or::new(self, next)
    }

    /// Binds whomever this one knows to the groups of a ring's store, as [`KeyRing::bind`] does; to none, if there is no
    /// ring.
    fn within(self, ring: impl Into<Option<KeyRing>>) -> Within<Self>
    where
        Self: Sized,
    {
        Within::new(self, ring.into())
    }
}

/// Shares a verifier, so that one may keep a handle to it.
impl<V: Verifier + ?Sized> Verifier for Arc<V> {
    type Later = V::Later;

    fn verify(&self, credential: &Credential<'_>) -> Check<V::Later> {
        (**self).verify(credential)
    }
}

/// Knows nobody if it is absent, for where verifiers are a matter of configuration.
impl<V: Verifier> Verifier for Option<V> {
    type Later = V::Later;

    fn verify(&self, credential: &Credential<'_>) -> Check<V::Later> {
        match self {
            Some(verifier) => verifier.verify(credential),
            None => Check::Now(Verdict::Unknown),
        }
    }
}

/// A verifier's answer: at once, or later.
#[derive(Debug)]
pub enum Check<F> {
    /// The verdict.
    Now(Verdict),
    /// A future of it. Dropped when the caller leaves.
    Later(F),
}

/// What a verifier makes of a credential.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is this caller's.
    Known(Principal),
    /// Not one of ours: the next verifier may know it. If none does, the caller is told `invalid_api_key`.
    Unknown,
    /// It is one of ours and no good, or cannot be judged now. Nobody else is asked.
    Refused(Rejection),
}

impl From<Option<Principal>> for Verdict {
    fn from(principal: Option<Principal>) -> Self {
        principal.map_or(Self::Unknown, Self::Known)
    }
}

impl From<Result<Principal, Rejection>> for Verdict {
    fn from(result: Result<Principal, Rejection>) -> Self {
        result.map_or_else(Self::Refused, Self::Known)
    }
}

/// Makes a verifier of a closure, which returns a [`Verdict`], an `Option<Principal>` or a `Result<Principal, Rejection>`.
///
/// ```
/// use tollgate_auth::{AuthLayer, verify_fn};
/// use tollgate_core::fact::Principal;
///
/// let issued_by_us = verify_fn(|credential| {
///     let user = credential.secret().strip_prefix("demo-")?;
///     Some(Principal::new("demo").with_user(user))
/// });
/// let layer = AuthLayer::new(issued_by_us);
/// # let _ = layer;
/// ```
pub const fn verify_fn<F, V>(verify: F) -> VerifyFn<F>
where
    F: Fn(&Credential<'_>) -> V,
    V: Into<Verdict>,
{
    VerifyFn { verify }
}

/// A [`Verifier`] made of a closure by [`verify_fn`].
#[derive(Clone, Copy)]
pub struct VerifyFn<F> {
    verify: F,
}

impl<F, V> Verifier for VerifyFn<F>
where
    F: Fn(&Credential<'_>) -> V,
    V: Into<Verdict>,
{
    type Later = Ready<Verdict>;

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        Check::Now((self.verify)(credential).into())
    }
}

impl<F> fmt::Debug for VerifyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyFn").finish_non_exhaustive()
    }
}
