use std::{fmt, sync::Arc};

use http::{HeaderName, request::Parts};
use tower_layer::Layer;

use crate::{
    CachePolicy, CacheService,
    cache::Cache,
    tenant::{Tenant, by_principal},
};

/// Gives answers that are known in the place of the service; all services of a layer share what is kept.
///
/// ```
/// use std::time::Duration;
/// use http::HeaderName;
/// use tollgate_cache::{CacheLayer, CachePolicy};
///
/// let layer = CacheLayer::new(CachePolicy::new().ttl(Duration::from_secs(300)))
///     .vary([HeaderName::from_static("x-api-version")])
///     .when(|parts| parts.uri.path().starts_with("/reports"));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct CacheLayer<K = fn(&Parts) -> Option<Tenant>, P = fn(&Parts) -> bool> {
    cache: Cache<K, P>,
}

impl CacheLayer {
    /// A layer that keeps answers as `policy` says, each for one tenant.
    #[must_use]
    pub fn new(policy: CachePolicy) -> Self {
        Self {
            cache: Cache::new(policy, by_principal, |_| true),
        }
    }
}

impl<K, P> CacheLayer<K, P> {
    /// Says whose answers a request may be given; with `None` it bypasses the cache.
    ///
    /// By default that is [`Principal::tenant`](tollgate_core::fact::Principal::tenant), so that all who belong to a
    /// tenant share. Without a principal, requests with credentials or cookies bypass the cache, and others share.
    ///
    /// ```
    /// # use tollgate_cache::{CacheLayer, CachePolicy, Tenant};
    /// // Everybody may have everybody's answers.
    /// let shared = CacheLayer::new(CachePolicy::new()).by(|_| Some(Tenant::Anonymous));
    /// # let _ = shared;
    /// ```
    #[must_use]
    pub fn by<F>(self, tenant: F) -> CacheLayer<F, P>
    where
        F: Fn(&Parts) -> Option<Tenant>,
    {
        let Cache {
            store, vary, when, ..
        } = self.cache;
        CacheLayer {
            cache: Cache {
                store,
                vary,
                by: tenant,
                when,
            },
        }
    }

    /// Chooses the requests that are looked up; by default all that can be.
    #[must_use]
    pub fn when<F>(self, when: F) -> CacheLayer<K, F>
    where
        F: Fn(&Parts) -> bool,
    {
        let Cache {
            store, vary, by, ..
        } = self.cache;
        CacheLayer {
            cache: Cache {
                store,
                vary,
                by,
                when,
            },
        }
    }

    /// Adds request headers that an answer depends on; those of content negotiation always count.
    #[must_use]
    pub fn vary(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut vary = self.cache.vary.to_vec();
        for name in names {
            if !vary.contains(&name) {
                vary.push(name);
            }
        }
        self.cache.vary = vary.into();
        self
    }
}

impl<S, K: Clone, P: Clone> Layer<S> for CacheLayer<K, P> {
    type Service = CacheService<S, K, P>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService::new(inner, Arc::new(self.cache.clone()))
    }
}

impl<K, P> fmt::Debug for CacheLayer<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("policy", &self.cache.store.policy)
            .field("vary", &self.cache.vary)
            .finish_non_exhaustive()
    }
}
