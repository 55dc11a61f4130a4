use std::{fmt, sync::Arc};

use http::{request, response};
use smallvec::SmallVec;
use tollgate_core::{
    Admission, Gate, GateLayer, GateService, Glance, Never, Observer, Outcome, Trail,
    fact::{Call, Cost, Principal, Superseded, Target, Usage},
};
use tower_layer::Layer;

use super::{
    RollUp, UsageSums,
    series::{Day, Series},
};

/// Counts what each request has used when it has ended, and refuses nothing.
///
/// Place it outside authentication: it learns of the caller at the end. Requests of nobody that used nothing are not
/// counted, so that strangers cannot fill the store.
#[derive(Clone, Debug)]
pub struct UsageLayer {
    roll_up: RollUp,
}

impl UsageLayer {
    /// Counts there.
    #[must_use]
    pub const fn new(roll_up: RollUp) -> Self {
        Self { roll_up }
    }
}

impl<S> Layer<S> for UsageLayer {
    type Service = GateService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.clone()).layer(inner)
    }
}

impl Gate for UsageLayer {
    type Observer = UsageObserver;
    type Later = Never<Self::Observer>; // decides at once

    fn admit(&self, mut parts: request::Parts) -> Admission<Self::Observer, Self::Later> {
        let observer = UsageObserver {
            trail: Trail::of(&mut parts),
            roll_up: self.roll_up.clone(),
            refused: false,
        };
        Admission::Now(Ok((parts, observer)))
    }
}

/// The observer of a [`UsageLayer`].
pub struct UsageObserver {
    trail: Trail,
    roll_up: RollUp,
    refused: bool,
}

impl Observer for UsageObserver {
    fn answered(&mut self, head: &mut response::Parts) {
        self.refused = head.status.as_u16() >= 400;
    }

    fn ended(self, outcome: Outcome) {
        let node = self.trail.glance();
        let principal = node.get::<Principal>().cloned();
        let mut told = Told::default();
        told.add(&node, None);
        if principal.is_none() && told.parts.is_empty() {
            return;
        }
        let series = Series {
            day: Day::today(),
            principal,
            // A name that leads nowhere may be any text.
            model: told.served.as_ref().and(node.get::<Call>()).map(model),
            target: None,
        };
        drop(node);
        let request = UsageSums {
            requests: 1,
            failed: u64::from(self.refused || outcome != Outcome::Completed),
            ..UsageSums::default()
        };
        match told.parts.last_mut() {
            // Mostly there is one attempt, and one sum less to look up.
            Some((target, sums)) if *target == told.served => sums.add(&request),
            _ => told.parts.push((told.served, request)),
        }
        for (target, sums) in told.parts {
            let series = Series {
                target,
                ..series.clone()
            };
            self.roll_up.count(series, &sums);
        }
    }
}

impl fmt::Debug for UsageObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageObserver").finish_non_exhaustive()
    }
}

/// What a trail tells.
#[derive(Default)]
struct Told {
    /// What was used, and where.
    parts: SmallVec<[(Option<Target>, UsageSums); 2]>,
    /// The last target whose answer was not discarded.
    served: Option<Target>,
}

impl Told {
    /// Reads a node, and all below it.
    fn add(&mut self, node: &Glance<'_>, above: Option<&Target>) {
        let own = node.get::<Target>();
        let target = own.or(above);
        if own.is_some() && (self.served.is_none() || node.get::<Superseded>().is_none()) {
            self.served = own.cloned();
        }
        let (usage, cost) = (node.get::<Usage>(), node.get::<Cost>());
        if usage.is_some() || cost.is_some() {
            self.parts.push((target.cloned(), sums(usage, cost)));
        }
        for child in node.children() {
            self.add(&child, target);
        }
    }
}

fn sums(usage: Option<&Usage>, cost: Option<&Cost>) -> UsageSums {
    let unpriced = u64::from(cost.is_none());
    let usage = usage.copied().unwrap_or_default();
    UsageSums {
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write.saturating_add(usage.cache_write_1h),
        output: usage.output,
        reasoning: usage.reasoning,
        cost_nanos: cost.map_or(0, |cost| u64::try_from(cost.nanos()).unwrap_or(0)),
        unpriced,
        estimated: u64::from(usage.estimated),
        ..UsageSums::default()
    }
}

fn model(call: &Call) -> Arc<str> {
    Arc::clone(&call.model)
}
