use std::hash::{Hash, Hasher};

use http::{StatusCode, request::Parts};
use tollgate_core::{Rejection, fact::Principal};

/// Says whose account a request is counted on: any `Fn(&Parts) -> K`, or [`ByPrincipal`].
pub trait Identify {
    /// The account. It is cloned for each new caller, so let it be cheap: an `Arc<str>`, an `IpAddr`, a number.
    type Key: Clone + Eq + Hash;

    /// The account of this request.
    ///
    /// # Errors
    /// When the request cannot be counted on anybody's account.
    fn identify(&self, parts: &Parts) -> Result<Self::Key, Rejection>;
}

impl<F, K> Identify for F
where
    F: Fn(&Parts) -> K,
    K: Clone + Eq + Hash,
{
    type Key = K;

    fn identify(&self, parts: &Parts) -> Result<K, Rejection> {
        Ok(self(parts))
    }
}

/// Counts on the account of the [`Principal`] in the request's extensions, by its key. A request without one is
/// answered with `500` and `principal_missing`, unless anonymous callers are let share an account.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPrincipal {
    pub(crate) anonymous: bool,
}

impl Identify for ByPrincipal {
    type Key = Caller;

    fn identify(&self, parts: &Parts) -> Result<Caller, Rejection> {
        match parts.extensions.get::<Principal>() {
            Some(principal) => Ok(Caller(Some(principal.clone()))),
            None if self.anonymous => Ok(Caller(None)),
            None => Err(Rejection::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "principal_missing",
                "the service did not find out who is calling",
            )),
        }
    }
}

/// A [`Principal`] as an account, told apart by its key alone; or all those without one.
#[derive(Clone, Debug)]
pub struct Caller(Option<Principal>);

impl Caller {
    fn key(&self) -> Option<&str> {
        self.0.as_ref().map(Principal::key)
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Caller {}

impl Hash for Caller {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
