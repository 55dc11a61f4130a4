use std::{sync::Arc, time::Duration};

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

    /// Gives an answer to the caller. From here on its target is the request's.
    pub(super) fn give<B: Body>(
        &self,
        kept: Kept<Response<B>>,
        wire: Wire,
    ) -> Response<Reply<OnEndBody<B, Busy>>> {
        self.trail.set(kept.trying.target);
        OnEndBody::response(kept.response, kept.on_end, wire).map(Reply::inner)
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
    target: Target,
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

impl<R> Kept<R> {
    /// Which of two answers to give: one of a target's own before a refusal, the later one of two failures, and of
    /// two refusals the one that can pass sooner.
    pub(super) fn or(self, earlier: Self) -> (Self, Self) {
        let soon = |refusal: Refusal| refusal.retry_after.unwrap_or(Duration::MAX);
        let earlier_is_better = match (self.verdict, earlier.verdict) {
            (Verdict::Refused(_), Verdict::Failed(_)) => true,
            (Verdict::Refused(late), Verdict::Refused(early)) => soon(early) <= soon(late),
            _ => false,
        };
        if earlier_is_better {
            (earlier, self)
        } else {
            (self, earlier)
        }
    }
}
