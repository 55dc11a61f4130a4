use std::time::Duration;

use http::StatusCode;
use tollgate_core::{
    Limits, Rejection,
    fact::{Cost, Dollars, Mode},
};

use crate::{
    Short,
    gather::Due,
    policy::{Left, Policy, micros},
    want::Want,
};

/// A rate is spent.
pub(crate) fn rate(want: &Want, remaining: u64, wait: Duration) -> Rejection {
    let policy = &want.policy;
    let message = format!(
        "the limit \"{}\" of {} {} a {} is spent",
        policy.name(),
        policy.quota(),
        policy.unit(),
        policy.rate.map_or("time", |rate| word(rate.window)),
    );
    limited("rate_limit_exceeded", message, policy, remaining, wait)
}

/// All slots are taken. Nobody knows when one is free.
pub(crate) fn concurrency(policy: &Policy) -> Rejection {
    let message = format!(
        "the limit \"{}\" of {} requests at once is reached",
        policy.name(),
        policy.quota(),
    );
    limited("concurrency_exceeded", message, policy, 0, SOON)
}

/// No time is long enough.
pub(crate) fn too_much(policy: &Policy) -> Rejection {
    let message = format!(
        "the request takes more {} than the limit \"{}\" ever allows at once",
        policy.unit(),
        policy.name(),
    );
    Rejection::new(StatusCode::BAD_REQUEST, "request_exceeds_limit", message)
        .with_detail("violated-policies", vec![policy.name().to_string()])
}

/// To forget a caller who has spent something would forgive it, so a new one has to wait.
pub(crate) fn overloaded() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "quota_overloaded",
        "too many callers at once to count one more",
    )
    .with_retry_after(SOON)
}

/// The store of a shared rate is away, and it was chosen to refuse then.
pub(crate) fn rates_unavailable() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "rates_unavailable",
        "it cannot be told just now how much is left",
    )
    .with_retry_after(SOON)
}

/// A budget has not enough left.
pub(crate) fn budget(due: &Due, short: &Short, amount: Cost, status: StatusCode) -> Rejection {
    let left = short.left.unwrap_or_default();
    let dollars = |cost: Cost| Dollars::from_nanos(u64::try_from(cost.nanos()).unwrap_or(0));
    let never = due.budget.mode() == Mode::Hard && amount > due.budget.limit();
    let mut message = format!("the budget \"{}\" of {} ", due.policy.name(), due.budget);
    message += &match short.left {
        _ if never => "is too small for this request".to_owned(),
        Some(left) => format!("has {} USD left", dollars(left)),
        None => "has not enough left".to_owned(),
    };
    message += &format!(", which may cost up to {} USD", dollars(amount));
    if let Some(resets_in) = short.resets_in.filter(|_| !never) {
        message += &format!("; it begins anew in {} s", resets_in.as_secs());
    }
    let limit = due.policy.limit(Left {
        remaining: micros(left),
        reset: short.resets_in,
    });
    let rejection = Rejection::new(status, "insufficient_quota", message)
        .with_detail("type", QUOTA_EXCEEDED)
        .with_detail("violated-policies", vec![due.policy.name().to_string()])
        .with_limits(Limits::new().with(limit));
    match short.resets_in {
        // What is more than the whole budget will not pass then either.
        Some(wait) if !never => rejection.with_retry_after(wait),
        _ => rejection,
    }
}

/// The bank does not answer, or not in time.
pub(crate) fn budget_unavailable() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "budget_unavailable",
        "it cannot be told just now whether the budget has enough left",
    )
    .with_retry_after(SOON)
}

/// What the target may cost is not known: it has passed its bound.
pub(crate) fn target_blocked(target: &str) -> Rejection {
    let message = format!(
        "\"{target}\" has billed more than the most that a call could cost, so that no budget can bound it"
    );
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "target_blocked", message).about_target()
}

/// Budgets without a ledger would not be kept.
pub(crate) fn no_ledger() -> Rejection {
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "ledger_missing",
        "the service does not know how to keep the budget that applies",
    )
}

/// What is spent of two budgets would be mixed up.
pub(crate) fn ambiguous(due: &Due) -> Rejection {
    let message = format!(
        "the service has two budgets that are both called \"{}\" for one account",
        due.policy.name()
    );
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "budget_ambiguous",
        message,
    )
}

pub(crate) fn principal_missing() -> Rejection {
    Rejection::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "principal_missing",
        "the service did not find out who is calling",
    )
}

pub(crate) fn limited(
    code: &'static str,
    message: String,
    policy: &Policy,
    remaining: u64,
    wait: Duration,
) -> Rejection {
    // Retry-After is never zero, and the fields must mean the same moment.
    let wait = wait.max(Duration::from_nanos(1));
    let left = Left {
        remaining,
        reset: Some(wait),
    };
    Rejection::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        .with_retry_after(wait)
        .with_detail("type", QUOTA_EXCEEDED)
        .with_detail("violated-policies", vec![policy.name().to_string()])
        .with_limits(Limits::new().with(policy.limit(left)))
}

fn word(window: Duration) -> &'static str {
    match window.as_secs() {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        _ => "day",
    }
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const SOON: Duration = Duration::from_secs(1);
