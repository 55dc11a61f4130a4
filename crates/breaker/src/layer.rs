use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc};

use http::{request, response};
use tollgate_core::{GateLayer, GateService, fact::Target};
use tower_layer::Layer;

use crate::{BreakerGate, BreakerPolicy, Class, Classifier, Standard, State, gate::Watch};

/// Leaves alone what is failing: one circuit breaker for each key. All services of a layer, and of its clones, share
/// the breakers.
///
/// ```
/// use http::request::Parts;
/// use tollgate_breaker::{BreakerLayer, BreakerPolicy};
///
/// let layer = BreakerLayer::new(BreakerPolicy::new().consecutive_failures(3))
///     .by(|parts: &Parts| parts.uri.authority().cloned())
///     .on_transition(|target, from, to| println!("{target:?}: {from:?} -> {to:?}"));
/// # let _ = layer;
/// ```
pub struct BreakerLayer<F = ByTarget, K = Arc<str>, C = Standard> {
    gate: BreakerGate<F, K, C>,
}

/// The default key: the name of the [`Target`] in the request's extensions, else the empty name.
pub type ByTarget = fn(&request::Parts) -> Arc<str>;

impl BreakerLayer {
    /// Breakers of this policy, one for each [`Target`], and one for all requests without any, whose name is empty.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            gate: BreakerGate {
                key: Arc::new(target as ByTarget),
                breakers: Arc::default(),
                policy,
                max_keys: 10_000,
                watch: Arc::new(Watch {
                    classifier: Arc::new(Standard),
                    on_transition: None,
                }),
            },
        }
    }
}

impl<F, K, C> BreakerLayer<F, K, C> {
    /// Has a breaker for each of these keys, in the place of the target's name. The breakers begin anew, and a callback
    /// is forgotten: its key was another.
    #[must_use]
    pub fn by<G, L>(self, key: G) -> BreakerLayer<G, L, C>
    where
        G: Fn(&request::Parts) -> L,
        L: Clone + Eq + Hash,
    {
        BreakerLayer {
            gate: BreakerGate {
                key: Arc::new(key),
                breakers: Arc::default(),
                policy: self.gate.policy,
                max_keys: self.gate.max_keys,
                watch: Arc::new(Watch {
                    classifier: Arc::clone(&self.gate.watch.classifier),
                    on_transition: None,
                }),
            },
        }
    }

    /// Judges an answer's head in another way than [`Standard`]; gRPC trailers are judged as before.
    #[must_use]
    pub fn classify<D>(self, classifier: D) -> BreakerLayer<F, K, D>
    where
        D: Fn(&response::Parts) -> Class,
    {
        self.with_classifier(classifier)
    }

    /// Judges answers by a [`Classifier`] of one's own.
    #[must_use]
    pub fn with_classifier<D: Classifier>(self, classifier: D) -> BreakerLayer<F, K, D> {
        BreakerLayer {
            gate: BreakerGate {
                watch: Arc::new(Watch {
                    classifier: Arc::new(classifier),
                    on_transition: self.gate.watch.on_transition.clone(),
                }),
                key: self.gate.key,
                breakers: self.gate.breakers,
                policy: self.gate.policy,
                max_keys: self.gate.max_keys,
            },
        }
    }

    /// Calls this with the key, the old and the new state at each change. Changes that follow closely on each other may
    /// be told out of order. A panic in it is logged and goes no further.
    #[must_use]
    pub fn on_transition(
        mut self,
        tell: impl Fn(&K, State, State) + Send + Sync + 'static,
    ) -> Self {
        self.gate.watch = Arc::new(Watch {
            classifier: Arc::clone(&self.gate.watch.classifier),
            on_transition: Some(Arc::new(tell)),
        });
        self
    }

    /// Bounds how many breakers are kept. When there is no room, those without a call in flight and without a failure
    /// are forgotten, or else those that hold nobody back; if there are none, requests with a new key pass unguarded.
    #[must_use]
    pub fn max_keys(mut self, max: usize) -> Self {
        self.gate.max_keys = max;
        self
    }

    /// The state of a key's breaker, if it has one.
    #[must_use]
    pub fn state<Q>(&self, key: &Q) -> Option<State>
    where
        K: Borrow<Q> + Clone + Eq + Hash,
        Q: Eq + Hash + ?Sized,
    {
        self.gate.breakers.state(key)
    }

    /// How many breakers are kept just now.
    #[must_use]
    pub fn keys(&self) -> usize
    where
        K: Clone + Eq + Hash,
    {
        self.gate.breakers.len()
    }
}

impl Default for BreakerLayer {
    fn default() -> Self {
        Self::new(BreakerPolicy::default())
    }
}

impl<S, F, K, C> Layer<S> for BreakerLayer<F, K, C> {
    type Service = GateService<S, BreakerGate<F, K, C>>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.gate.clone()).layer(inner)
    }
}

impl<F, K, C> Clone for BreakerLayer<F, K, C> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
        }
    }
}

impl<F, K, C> fmt::Debug for BreakerLayer<F, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BreakerLayer").field(&self.gate).finish()
    }
}

fn target(parts: &request::Parts) -> Arc<str> {
    let target = parts.extensions.get::<Target>();
    target.map(|it| Arc::clone(&it.name)).unwrap_or_default()
}
