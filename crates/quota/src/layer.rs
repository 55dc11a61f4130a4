use std::{fmt, hash::Hash, sync::Arc};

use http::request::Parts;
use tollgate_core::{GateLayer, GateService};
use tower_layer::Layer;

use crate::{
    ByPrincipal, Identify, Quota, QuotaGate,
    concurrency::Slots,
    gate::{Concurrency, Rate},
    policy::Policy,
    rate::Rates,
};

/// Limits how much each caller may ask for; all services of a layer, and of its clones, share the accounts.
///
/// ```
/// use http::request::Parts;
/// use tollgate_quota::{Quota, QuotaLayer};
///
/// let by_principal = QuotaLayer::new(Quota::per_minute(60)).and_concurrency(20);
/// let by_path = QuotaLayer::concurrency(100).by(|parts: &Parts| parts.uri.path().to_owned());
/// # let _ = (by_principal, by_path);
/// ```
pub struct QuotaLayer<F: Identify = ByPrincipal> {
    gate: QuotaGate<F>,
}

impl QuotaLayer {
    /// Limits the rate of each caller's requests.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self::with(Some(quota), None)
    }

    /// Limits how many requests of each caller may be in flight. One is in flight until its answer's body has ended.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub fn concurrency(limit: u32) -> Self {
        Self::with(None, Some(limit))
    }

    /// Limits nothing, for where limits are a matter of configuration and none are set.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::with(None, None)
    }

    /// Lets all callers without a principal share one account; by default, they are answered with `500`.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.gate.identify = Arc::new(ByPrincipal { anonymous: true });
        self
    }

    fn with(quota: Option<Quota>, slots: Option<u32>) -> Self {
        Self {
            gate: QuotaGate {
                identify: Arc::new(ByPrincipal::default()),
                rate: quota.map(|quota| rate(RATE.into(), quota)),
                concurrency: slots.map(|limit| concurrency(CONCURRENCY.into(), limit)),
                max_keys: 1_000_000,
            },
        }
    }
}

impl<F: Identify> QuotaLayer<F> {
    /// Says whose account a request is counted on, in the place of its principal's. The accounts begin anew.
    #[must_use]
    pub fn by<G, K>(self, caller: G) -> QuotaLayer<G>
    where
        G: Fn(&Parts) -> K,
        K: Clone + Eq + Hash,
    {
        let gate = self.gate;
        QuotaLayer {
            gate: QuotaGate {
                identify: Arc::new(caller),
                rate: gate.rate.map(|it| rate(it.policy.name().clone(), it.quota)),
                concurrency: gate
                    .concurrency
                    .map(|it| concurrency(it.policy.name().clone(), it.slots.limit())),
                max_keys: gate.max_keys,
            },
        }
    }

    /// Also limits how many requests of each caller may be in flight. A request takes of both limits or of none.
    ///
    /// # Panics
    /// When `limit` is zero.
    #[must_use]
    pub fn and_concurrency(mut self, limit: u32) -> Self {
        self.gate.concurrency = Some(concurrency(CONCURRENCY.into(), limit));
        self
    }

    /// Names the limit in headers and refusals: the rate, or the concurrency where it stands alone.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        let gate = &mut self.gate;
        let rate = gate.rate.as_mut().map(|rate| &mut rate.policy);
        let concurrency = gate.concurrency.as_mut().map(|it| &mut it.policy);
        if let Some(policy) = rate.or(concurrency) {
            *policy = policy.renamed(name.into());
        }
        self
    }

    /// Bounds how many callers' rates are kept. While so many have something to get back, new ones are answered with
    /// `503` and `quota_overloaded`: to forget one of them would forgive what it has spent.
    #[must_use]
    pub fn max_keys(mut self, max: usize) -> Self {
        self.gate.max_keys = max;
        self
    }

    /// How many callers' rates are kept just now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.gate.rate.as_ref().map_or(0, |rate| rate.rates.len())
    }

    /// How many requests are in flight, of all callers; nothing unless concurrency is limited.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let concurrency = self.gate.concurrency.as_ref();
        concurrency.map_or(0, |it| it.slots.held())
    }
}

impl<S, F: Identify> Layer<S> for QuotaLayer<F> {
    type Service = GateService<S, QuotaGate<F>>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.gate.clone()).layer(inner)
    }
}

impl<F: Identify> Clone for QuotaLayer<F> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl<F: Identify> fmt::Debug for QuotaLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuotaLayer").field(&self.gate).finish()
    }
}

fn rate<K: Clone + Eq + Hash>(name: Arc<str>, quota: Quota) -> Rate<K> {
    Rate {
        policy: Policy::new(name, "requests", quota.limit(), Some(quota.window())),
        quota,
        rates: Arc::new(Rates::new(quota)),
    }
}

fn concurrency<K: Clone + Eq + Hash>(name: Arc<str>, limit: u32) -> Concurrency<K> {
    assert!(limit > 0, "a concurrency of zero lets nothing pass");
    Concurrency {
        policy: Policy::new(name, "concurrency", limit, None),
        slots: Arc::new(Slots::new(limit)),
    }
}

const RATE: &str = "requests";
const CONCURRENCY: &str = "concurrency";
