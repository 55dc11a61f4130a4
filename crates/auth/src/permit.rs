use std::fmt;

use http::{StatusCode, request::Parts};
use tollgate_core::{Admission, Gate, GateLayer, GateService, Never, Rejection};
use tower_layer::Layer;

use crate::permits;

/// Lets a request pass if a closure of its head says so; otherwise the answer is 403 `permission_denied`.
///
/// The closure returns a `bool`, or a `Result<(), Rejection>` to choose the words.
///
/// ```
/// use tollgate_auth::PermitLayer;
/// use tollgate_core::fact::Principal;
///
/// let staff = PermitLayer::new(|parts| {
///     let principal = parts.extensions.get::<Principal>();
///     principal.is_some_and(|principal| principal.roles().iter().any(|role| &**role == "staff"))
/// });
/// # let _ = staff;
/// ```
#[derive(Clone, Copy)]
pub struct PermitLayer<F> {
    permit: F,
}

impl<F> PermitLayer<F> {
    /// A layer that asks `permit`.
    pub const fn new<P>(permit: F) -> Self
    where
        F: Fn(&Parts) -> P,
        P: Permission,
    {
        Self { permit }
    }
}

impl PermitLayer<fn(&Parts) -> Result<(), Rejection>> {
    /// A layer that asks what the [`Principal`](tollgate_core::fact::Principal) is permitted, as far as a request's head tells
    /// it: [`permits::route`] and [`permits::address`].
    #[must_use]
    pub const fn principal() -> Self {
        Self {
            permit: |parts| {
                permits::route(parts)?;
                permits::address(parts)
            },
        }
    }
}

impl<S, F: Clone> Layer<S> for PermitLayer<F> {
    type Service = GateService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.clone()).layer(inner)
    }
}

impl<F, P> Gate for PermitLayer<F>
where
    F: Fn(&Parts) -> P,
    P: Permission,
{
    type Observer = ();
    type Later = Never<()>; // decides at once

    fn admit(&self, parts: Parts) -> Admission<(), Never<()>> {
        let permission = (self.permit)(&parts).check();
        Admission::Now(permission.map(|()| (parts, ())))
    }
}

impl<F> fmt::Debug for PermitLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitLayer").finish_non_exhaustive()
    }
}

/// What a permit's closure may return.
pub trait Permission {
    /// The permission, or the refusal in the caller's words.
    ///
    /// # Errors
    /// When it is not permitted.
    fn check(self) -> Result<(), Rejection>;
}

impl Permission for bool {
    fn check(self) -> Result<(), Rejection> {
        self.then_some(()).ok_or_else(|| {
            Rejection::new(
                StatusCode::FORBIDDEN,
                "permission_denied",
                "this caller may not do this",
            )
        })
    }
}

impl Permission for Result<(), Rejection> {
    fn check(self) -> Self {
        self
    }
}
