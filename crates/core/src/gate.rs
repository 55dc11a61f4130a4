use std::{
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::request::Parts;

use crate::{Observer, Rejection};

/// Decides whether a request may pass, and hears how it went.
///
/// A gate sees the head of a request only. It may change it, and learns what it needs by functions of the head; facts
/// of the body come from layers further out, in the request's extensions. [`GateLayer`](crate::GateLayer) makes a
/// `tower` layer of it.
///
/// ```
/// use http::{StatusCode, request::Parts};
/// use tollgate_core::{Admission, Gate, Never, Outcome, Rejection};
///
/// struct Office { open: bool }
///
/// impl Gate for Office {
///     type Observer = fn(Outcome);
///     type Later = Never<Self::Observer>; // decides at once
///
///     fn admit(&self, parts: Parts) -> Admission<Self::Observer, Self::Later> {
///         Admission::Now(if self.open {
///             Ok((parts, |outcome| println!("went {outcome:?}")))
///         } else {
///             Err(Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "closed", "come back tomorrow"))
///         })
///     }
/// }
/// ```
pub trait Gate {
    /// Hears how an admitted request went.
    type Observer: Observer;

    /// A decision that takes time; [`Never`] for a gate that decides at once.
    type Later: Future<Output = Result<(Parts, Self::Observer), Rejection>>;

    /// Decides. What it takes (a permit, a hold) lives in the observer, which gives it back at the end.
    fn admit(&self, parts: Parts) -> Admission<Self::Observer, Self::Later>;
}

/// A gate's answer: at once, or later.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would be an allocation"
)]
pub enum Admission<O, F> {
    /// The decision. The inner service is called at once, without a clone and without an allocation.
    Now(Result<(Parts, O), Rejection>),
    /// A future of the decision. Dropped when the caller leaves.
    Later(F),
}

/// The future of a gate that decides at once: it has no values.
pub struct Never<O> {
    never: Infallible,
    observer: PhantomData<fn() -> O>,
}

impl<O> Future for Never<O> {
    type Output = Result<(Parts, O), Rejection>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.never {}
    }
}

impl<O> fmt::Debug for Never<O> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}

/// Makes a gate of a closure, which may change the head, and returns an observer or `()`.
///
/// ```
/// use http::StatusCode;
/// use tollgate_core::{GateLayer, Rejection, gate_fn};
///
/// let tools = GateLayer::new(gate_fn(|parts| match parts.headers.contains_key("x-team") {
///     true => Ok(()),
///     false => Err(Rejection::new(StatusCode::FORBIDDEN, "no_team", "say which team you are from")),
/// }));
/// # let _ = tools;
/// ```
pub const fn gate_fn<F, O>(admit: F) -> GateFn<F>
where
    F: Fn(&mut Parts) -> Result<O, Rejection>,
    O: Observer,
{
    GateFn { admit }
}

/// A [`Gate`] made of a closure by [`gate_fn`].
#[derive(Clone, Copy)]
pub struct GateFn<F> {
    admit: F,
}

impl<F, O> Gate for GateFn<F>
where
    F: Fn(&mut Parts) -> Result<O, Rejection>,
    O: Observer,
{
    type Observer = O;
    type Later = Never<O>;

    fn admit(&self, mut parts: Parts) -> Admission<O, Self::Later> {
        let observer = (self.admit)(&mut parts);
        Admission::Now(observer.map(|observer| (parts, observer)))
    }
}

impl<F> fmt::Debug for GateFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFn").finish_non_exhaustive()
    }
}
