use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, response};
use http_body::Frame;
use tokio::time::Instant;
use tollgate_core::{
    Glance, Observer, Outcome, Rejection, Trail,
    fact::{Attempt, CacheStatus, Call, Cost, Failure, Phase, Superseded, Target, Timing, Usage},
};
use tracing::Span;

use crate::{
    meters::Meters,
    series::{Ended, Labels, Series},
    span,
};

/// Watches a request, and at its end counts what the trail says of it.
pub(crate) struct Observation(Box<State>); // boxed, since an answer is moved through the layers around it

struct State {
    meters: Arc<Meters>,
    trail: Trail,
    span: Span,
    timing: Timing,
    status: Option<StatusCode>,
    refused: Option<Cow<'static, str>>,
}

impl Observation {
    pub(crate) fn begin(meters: Arc<Meters>, trail: Trail, span: Span) -> Self {
        let timing = Timing {
            started: Instant::now(),
            first_byte: None,
            last_byte: None,
        };
        trail.set(timing);
        meters.in_flight().increment(1);
        Self(Box::new(State {
            meters,
            trail,
            span,
            timing,
            status: None,
            refused: None,
        }))
    }
}

impl Observer for Observation {
    fn answered(&mut self, head: &mut response::Parts) {
        let state = &mut *self.0;
        state.status = Some(head.status);
        let rejection = head.extensions.get::<Rejection>();
        state.refused = rejection.map(|rejection| Cow::Owned(rejection.code().to_owned()));
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        let state = &mut *self.0;
        if state.timing.first_byte.is_none() && frame.is_data() {
            state.timing.first_byte = Some(Instant::now());
            state.trail.set(state.timing);
        }
    }

    fn ended(self, outcome: Outcome) {
        self.0.ended(outcome);
    }
}

impl State {
    fn ended(mut self, outcome: Outcome) {
        let now = Instant::now();
        self.timing.last_byte = Some(now);
        self.trail.set(self.timing);
        self.meters.in_flight().decrement(1);

        let node = self.trail.glance();
        let tally = Tally {
            meters: &self.meters,
            call: node.get(),
            hit: node.get() == Some(&CacheStatus::Hit),
        };
        let served = tally.visit(&node, None);
        // A layer further in may have ended a broken stream in its own words: that is no success.
        let broken = served
            .failure
            .as_ref()
            .is_some_and(|it| it.phase == Phase::Body);
        let outcome = match outcome {
            Outcome::Completed if broken && self.refused.is_none() => Outcome::Failed,
            outcome => outcome,
        };
        let refused = self.refused.take();
        let failed = || served.failure.map(|failure| failure.code);
        let ended = Ended {
            status: self.status,
            outcome,
            code: refused.or_else(failed).unwrap_or_default(),
        };
        let target = served.target.as_ref();
        let series = served.series.unwrap_or_else(|| tally.series(target));
        series.ended(&ended, now - self.timing.started);
        if let Some(first_byte) = self.timing.first_byte {
            series.first_byte(first_byte - self.timing.started);
        }
        if let Some(status) = node.get::<CacheStatus>() {
            self.meters.cache(*status);
        }
        if !self.span.is_disabled() {
            span::close(&self.span, &ended, tally.call, target, node.sum::<Usage>());
        }
    }
}

/// Counts what is spent, each where it was spent.
struct Tally<'a> {
    meters: &'a Meters,
    call: Option<&'a Call>,
    hit: bool,
}

/// Who answered in the end, and what went wrong there.
#[derive(Default)]
struct Served {
    target: Option<Target>,
    failure: Option<Failure>,
    /// The target's metrics, if they had to be looked up already.
    series: Option<Arc<Series>>,
}

impl Tally<'_> {
    /// Counts a node and those below it. The last attempt is the one that served, unless another took its place.
    fn visit(&self, node: &Glance<'_>, above: Option<&Target>) -> Served {
        let target = node.get::<Target>().or(above);
        let (usage, cost) = (node.get::<Usage>(), node.get::<Cost>());
        let spent = usage.is_some() || cost.is_some();
        let series = spent.then(|| self.series(target));
        if let Some(series) = &series {
            usage.into_iter().for_each(|usage| series.used(usage));
            cost.into_iter().for_each(|cost| series.spent(*cost));
        }
        let mut served = Served {
            target: target.cloned(),
            failure: node.get().cloned(),
            series,
        };
        for attempt in node.children() {
            let below = self.visit(&attempt, target);
            let superseded = attempt.get::<Superseded>().is_some();
            if let Some(target) = attempt.get::<Target>() {
                let result = result(&attempt, superseded);
                let name = Arc::clone(&target.name);
                self.meters.attempts(name).count(result);
            }
            if !superseded {
                served = below;
            }
        }
        served
    }

    /// The metrics of what is spent at a target. A model's name is the caller's word until a target has taken it.
    fn series(&self, target: Option<&Target>) -> Arc<Series> {
        self.meters.series(Labels {
            operation: self.call.map_or("", |call| call.operation.as_str()),
            // A name that was sent to a target, or found in a cache, is one of few; any other is the caller's fancy.
            model: match self.call {
                Some(call) if target.is_some() || self.hit => Arc::clone(&call.model),
                _ => Arc::default(),
            },
            target: target
                .map(|target| Arc::clone(&target.name))
                .unwrap_or_default(),
        })
    }
}

/// How an attempt went: what went wrong, or the class of its status.
fn result(attempt: &Glance<'_>, superseded: bool) -> Cow<'static, str> {
    if let Some(failure) = attempt.get::<Failure>() {
        return failure.code.clone();
    }
    let status = attempt.get::<Attempt>().map(|attempt| attempt.status);
    Cow::Borrowed(
        match status.map(|status| status.map(|status| status / 100)) {
            Some(Some(2)) => "2xx",
            Some(Some(3)) => "3xx",
            Some(Some(4)) => "4xx",
            Some(Some(5)) => "5xx",
            Some(Some(_)) => "other",
            Some(None) => "error",
            None if superseded => "superseded",
            None => "cancelled",
        },
    )
}
