use std::sync::Arc;

use http::{Extensions, Response, StatusCode, response};
use http_body::Body;
use tokio::time::Instant;
use tollgate_core::{
    OnEnd, OnEndBody, Rejection, Reply, Trail, Wire,
    fact::{Attempt, Superseded, Target},
};

use super::Kept;
use crate::{
    Busy, Pool,
    layer::Shared,
    status::{Out, Status},
    verdict::{Refusal, Verdict},
};

/// Which targets a request has tried, and which it may try next.
pub(super) struct Attempts {
    shared: Arc<Shared>,
    pool: Pool,
    statuses: Arc<[Arc<Status>]>,
    trail: Trail,
    tried: u64,
    left: u32,
}

impl Attempts {
    pub(super) fn new(shared: Arc<Shared>, pool: Pool, trail: Trail) -> Self {
        shared.options.budget.deposit();
        Self {
            statuses: pool.statuses(&shared.statuses),
            left: shared.options.attempts,
            shared,
            pool,
            trail,
            tried: 0,
        }
    }

    /// Chooses a target that has not been tried and is not out, and puts it and a node for the attempt into the
    /// request's extensions.
    pub(super) fn next(&mut self, now: Instant, extensions: &mut Extensions) -> Option<Trying> {
        let random = fastrand::u64(..);
        let usable =
            |index: usize| !self.has_tried(index) && self.statuses[index].out(now).is_none();
        let busy = |index: usize| self.statuses[index].busy();
        let index = self.pool.choose(usable, busy, random)?;
        self.tried |= 1 << index;
        let target = self.pool.targets()[index].clone();
        let trail = self.trail.child();
        trail.set(target.clone());
        extensions.insert(trail.clone());
        extensions.insert(target.clone());
        Some(Trying {
            trail,
            target,
            status: Arc::clone(&self.statuses[index]),
            started: now,
        })
    }

    /// Whether there is a target that has not been tried, and an attempt left.
    pub(super) fn has_more(&self) -> bool {
        self.left > 0 && (0..self.statuses.len()).any(|index| !self.has_tried(index))
    }

    /// After a failure: whether there is more to try, and a retry left to pay with.
    pub(super) fn may_retry(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.has_more() && self.shared.options.budget.withdraw()
    }

    /// Judges the head of an attempt's answer, and takes the target out if it asks for it.
    pub(super) fn judge(&self, trying: &Trying, head: &response::Parts) -> Verdict {
        let now = Instant::now();
        trying.note(Some(head.status), now);
        let verdict = Verdict::of(head, &trying.trail);
        if let Verdict::Refused(refusal) | Verdict::Failed(refusal) = verdict
            && let Refusal {
                about_target: true,
                retry_after: Some(wait),
            } = refusal
        {
            let wait = wait.min(self.shared.options.longest_break);
            trying.status.take_out(now, wait, head.status);
        }
        verdict
    }

    /// Gives an answer to the caller as it comes. From here on its target is the request's.
    pub(super) fn pass<B: Body>(
        &self,
        trying: Trying,
        response: Response<B>,
        on_end: OnEnd<Busy>,
        wire: Wire,
    ) -> Response<Reply<OnEndBody<B, Busy>>> {
        self.trail.set(trying.target);
        OnEndBody::response(response, on_end, wire).map(Reply::inner)
    }

    /// Gives an answer that was kept.
    pub(super) fn give<B>(&self, kept: Kept, wire: Wire) -> Response<Reply<B>> {
        self.trail.set(kept.trying.target);
        match kept.body {
            Some(body) => Response::from_parts(kept.head, Reply::full(body)),
            None => Rejection::new(
                kept.head.status,
                "target_failed",
                "the target failed, in more words than can be kept",
            )
            .about_target()
            .into_response(wire),
        }
    }

    /// The refusal when there is no target, or all are out: until the first of them can be asked again.
    pub(super) fn unavailable(&self, now: Instant) -> Rejection {
        let outs = self.statuses.iter().filter_map(|status| status.out(now));
        let Some(Out { until, status }) = outs.min_by_key(|out| out.until) else {
            return Rejection::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_target",
                "there is no target for this request",
            )
            .about_target();
        };
        let status = match status {
            StatusCode::TOO_MANY_REQUESTS => status,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Rejection::new(
            status,
            "targets_unavailable",
            "every target has asked not to be called for a while",
        )
        .about_target()
        .with_retry_after(until - now)
    }

    const fn has_tried(&self, index: usize) -> bool {
        self.tried & (1 << index) != 0
    }
}

/// One attempt.
pub(super) struct Trying {
    trail: Trail,
    pub(super) target: Target,
    status: Arc<Status>,
    started: Instant,
}

impl Trying {
    /// Calls the service, and counts the target busy until the answer ends.
    pub(super) fn watch<F>(&self, call: impl FnOnce() -> F) -> (F, OnEnd<Busy>) {
        let mut on_end = OnEnd::new(Arc::clone(&self.status).enter());
        (on_end.watch(call), on_end)
    }

    /// The service answered with an error.
    pub(super) fn failed(&self) {
        self.note(None, Instant::now());
    }

    /// Another answer is given in the place of this one's, which is about to be dropped.
    pub(super) fn superseded(&self) {
        self.trail.set(Superseded);
    }

    fn note(&self, status: Option<StatusCode>, now: Instant) {
        let took = now.saturating_duration_since(self.started);
        self.trail.set(Attempt {
            status: status.map(|status| status.as_u16()),
            took,
        });
    }
}
