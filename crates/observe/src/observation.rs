use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{StatusCode, response};
use http_body::Frame;
use tokio::time::Instant;
use tollgate_core::{
    Observer, Outcome, Rejection, Trail,
    fact::{Attempt, CacheStatus, Call, Cost, Failure, Phase, Superseded, Target, Timing, Usage},
};
use tracing::Span;

use crate::{
    meters::Meters,
    series::{Ended, Labels},
    span,
};

/// Watches a request, and at its end counts what the trail says of it.
pub(crate) struct Observation {
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
        Self {
            meters,
            trail,
            span,
            timing,
            status: None,
            refused: None,
        }
    }
}

impl Observer for Observation {
    fn answered(&mut self, head: &mut response::Parts) {
        self.status = Some(head.status);
        let rejection = head.extensions.get::<Rejection>();
        self.refused = rejection.map(|rejection| Cow::Owned(rejection.code().to_owned()));
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if self.timing.first_byte.is_none() && frame.is_data() {
            self.timing.first_byte = Some(Instant::now());
            self.trail.set(self.timing);
        }
    }

    fn ended(mut self, outcome: Outcome) {
        let now = Instant::now();
        self.timing.last_byte = Some(now);
        self.trail.set(self.timing);
        self.meters.in_flight().decrement(1);

        let tally = Tally {
            meters: &self.meters,
            call: self.trail.get(),
            hit: self.trail.get() == Some(CacheStatus::Hit),
        };
        let served = tally.visit(&self.trail, None);
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
        let failed = || served.failure.as_ref().map(|failure| failure.code.clone());
        let ended = Ended {
            status: self.status,
            outcome,
            code: refused.or_else(failed).unwrap_or_default(),
        };
        let series = self.meters.series(tally.labels(served.target.as_ref()));
        series.ended(&ended, now - self.timing.started);
        if let Some(first_byte) = self.timing.first_byte {
            series.first_byte(first_byte - self.timing.started);
        }
        if let Some(status) = self.trail.get::<CacheStatus>() {
            self.meters.cache(status);
        }
        if !self.span.is_disabled() {
            let usage = self.trail.sum::<Usage>();
            span::close(
                &self.span,
                &ended,
                tally.call.as_ref(),
                served.target.as_ref(),
                usage,
            );
        }
    }
}

/// Counts what is spent, each where it was spent.
struct Tally<'a> {
    meters: &'a Meters,
    call: Option<Call>,
    hit: bool,
}

/// Who answered in the end, and what went wrong there.
#[derive(Default)]
struct Served {
    target: Option<Target>,
    failure: Option<Failure>,
}

impl Tally<'_> {
    /// Counts a node and those below it. The last attempt is the one that served, unless another took its place.
    fn visit(&self, node: &Trail, above: Option<&Target>) -> Served {
        let own = node.get::<Target>();
        let target = own.as_ref().or(above);
        let (usage, cost) = (node.get::<Usage>(), node.get::<Cost>());
        if usage.is_some() || cost.is_some() {
            let series = self.meters.series(self.labels(target));
            usage.iter().for_each(|usage| series.used(usage));
            cost.into_iter().for_each(|cost| series.spent(cost));
        }
        let mut served = Served {
            target: target.cloned(),
            failure: node.get(),
        };
        for attempt in node.children() {
            let below = self.visit(&attempt, target);
            let superseded = attempt.get::<Superseded>().is_some();
            if let Some(target) = attempt.get::<Target>() {
                let result = result(&attempt, superseded);
                self.meters.attempts(target.name).count(result);
            }
            if !superseded {
                served = below;
            }
        }
        served
    }

    /// A model's name is the caller's word until a target has taken it.
    fn labels(&self, target: Option<&Target>) -> Labels {
        let call = self.call.as_ref();
        Labels {
            operation: call.map_or("", |call| call.operation.as_str()),
            // A name that was sent to a target, or found in a cache, is one of few; any other is the caller's fancy.
            model: match call {
                Some(call) if target.is_some() || self.hit => Arc::clone(&call.model),
                _ => Arc::default(),
            },
            target: target
                .map(|target| Arc::clone(&target.name))
                .unwrap_or_default(),
        }
    }
}

/// How an attempt went: what went wrong, or the class of its status.
fn result(attempt: &Trail, superseded: bool) -> Cow<'static, str> {
    if let Some(failure) = attempt.get::<Failure>() {
        return failure.code;
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
