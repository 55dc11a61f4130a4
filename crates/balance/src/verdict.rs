use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER, response};
use tollgate_core::{
    About, Rejection, Trail,
    fact::{Dispatch, Failure},
};

/// What an attempt's answer says about trying another target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// This is the answer.
    Final,
    /// A gate refused before anything was sent: another target may serve, and trying it is no retry.
    Refused(Refusal),
    /// The target failed: another may serve, if the retry budget allows it.
    Failed(Refusal),
}

/// When a target may be asked again, and whether it is the target that has to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) about_target: bool,
    pub(crate) retry_after: Option<Duration>,
}

impl Verdict {
    /// Judges an attempt by the head of its answer and what its trail says.
    pub(crate) fn of(head: &response::Parts, trail: &Trail) -> Self {
        if let Some(rejection) = head.extensions.get::<Rejection>() {
            let refusal = Refusal {
                about_target: rejection.about() == About::Target,
                retry_after: rejection.retry_after(),
            };
            let sent = trail.get::<Dispatch>() == Some(Dispatch::Yes);
            return if sent || trail.get::<Failure>().is_some() {
                Self::Failed(refusal)
            } else {
                Self::Refused(refusal)
            };
        }
        // 402: the account that all callers share there is empty.
        let is_out = matches!(
            head.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYMENT_REQUIRED
        );
        if head.status.is_server_error() || is_out {
            return Self::Failed(Refusal {
                about_target: true,
                retry_after: retry_after(head),
            });
        }
        Self::Final
    }
}

/// `Retry-After` in seconds. Providers of models send no dates there.
fn retry_after(head: &response::Parts) -> Option<Duration> {
    let value = head.headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}
