//! What a [`Principal`] is permitted, for [`PermitLayer::new`](crate::PermitLayer::new): each a function of a request's head.
//!
//! ```
//! use tollgate_auth::{PermitLayer, permits};
//!
//! let early = PermitLayer::principal(); // route and address: inside `AuthLayer`
//! let call = PermitLayer::new(permits::model); // inside whatever finds out the `Call`
//! let target = PermitLayer::new(permits::clearance); // inside whatever chooses the `Target`
//! # let _ = (early, call, target);
//! ```
//!
//! Without the facts that it asks about, each one refuses.

mod path;

use http::{StatusCode, request::Parts};
use tollgate_core::{
    Rejection,
    fact::{Call, Clearance, Peer, Principal, Target},
};

use crate::ClientAddress;

/// Whether the caller may use this method and path. A path that can be read in two ways, such as `//admin`, `/a/%2e%2e/b` or
/// `/a;b`, is 400 `ambiguous_path` for everybody.
///
/// # Errors
/// When it may not.
pub fn route(parts: &Parts) -> Result<(), Rejection> {
    let path = parts.uri.path();
    let decoded = path::decoded(path).ok_or_else(|| {
        Rejection::new(
            StatusCode::BAD_REQUEST,
            "ambiguous_path",
            "the path can be read in more than one way",
        )
    })?;
    let method = parts.method.as_str();
    // Whoever is further in may decode the path, or not: both have to be permitted.
    let permitted = principal(parts).is_some_and(|principal| {
        principal.may_use(method, path) && (decoded == path || principal.may_use(method, &decoded))
    });
    check(
        permitted,
        "route_not_permitted",
        "this key may not use this method and path",
    )
}

/// Whether the caller may come from where it comes from: by its [`ClientAddress`], or where nobody has found that out by its
/// [`Peer`]. If neither is known, who is bound to networks is refused.
///
/// # Errors
/// When it may not.
pub fn address(parts: &Parts) -> Result<(), Rejection> {
    let address = match parts.extensions.get::<ClientAddress>() {
        Some(client) => client.0,
        None => parts.extensions.get::<Peer>().map(|peer| peer.address.ip()),
    };
    let permitted = principal(parts).is_some_and(|principal| match address {
        Some(address) => principal.may_come_from(address),
        None => !principal.is_bound_to_networks(),
    });
    check(
        permitted,
        "address_not_permitted",
        "this key may not be used from this address",
    )
}

/// Whether the caller may call the model of the [`Call`].
///
/// # Errors
/// When it may not.
pub fn model(parts: &Parts) -> Result<(), Rejection> {
    let call = parts.extensions.get::<Call>();
    let permitted = match (principal(parts), call) {
        (Some(principal), Some(call)) => principal.may_call(&call.model),
        _ => false,
    };
    check(
        permitted,
        "model_not_permitted",
        "this key may not call this model",
    )
    .map_err(|rejection| rejection.with_detail("param", "model"))
}

/// Whether data as confidential as the caller's may go to the [`Target`]. Of a target without a class nobody knows: it gets
/// what is public. As a gate within whatever tries several targets, it holds for each of them.
///
/// # Errors
/// When it may not.
pub fn clearance(parts: &Parts) -> Result<(), Rejection> {
    let target = parts.extensions.get::<Target>();
    let place = target.and_then(|target| target.clearance);
    let permitted = principal(parts).is_some_and(|principal| {
        let data = principal.clearance();
        data.is_none_or(|data| data <= place.unwrap_or(Clearance::Public))
    });
    check(
        permitted,
        "target_not_permitted",
        "this key's data may not go to where this model is served",
    )
    .map_err(|rejection| rejection.with_detail("param", "model"))
}

fn principal(parts: &Parts) -> Option<&Principal> {
    parts.extensions.get()
}

fn check(permitted: bool, code: &'static str, else_why: &'static str) -> Result<(), Rejection> {
    permitted
        .then_some(())
        .ok_or_else(|| Rejection::new(StatusCode::FORBIDDEN, code, else_why))
}
