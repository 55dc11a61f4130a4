use std::sync::Arc;

use http::{
    HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
    request::Parts,
};
use tollgate_core::fact::Principal;

/// Whose answers a request may be given. One tenant is never given another's.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Tenant {
    /// Those who go by this name.
    Named(Arc<str>),
    /// Nobody in particular: what is kept is for everybody, so that an answer that is `private` is not.
    Anonymous,
}

impl Tenant {
    /// A tenant by its name.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self::Named(name.into())
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Anonymous => None,
        }
    }
}

/// The principal's tenant. Who is none but sends credentials is somebody, and only the service knows who.
pub(crate) fn by_principal(parts: &Parts) -> Option<Tenant> {
    if let Some(principal) = parts.extensions.get::<Principal>() {
        return Some(Tenant::Named(Arc::clone(principal.tenant_arc())));
    }
    let somebody = CREDENTIALS
        .iter()
        .any(|name| parts.headers.contains_key(name));
    (!somebody).then_some(Tenant::Anonymous)
}

const CREDENTIALS: [HeaderName; 6] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    COOKIE,
    PROXY_AUTHORIZATION,
];
