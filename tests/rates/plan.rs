use std::{env, time::Duration};

use tollgate::quota::Rate;

/// What a run is: who takes how much of what.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) leased: bool,
    /// What comes back in a second. A quarter of a window's worth can be saved up.
    speed: u64,
    /// Each caller of a process takes one of these at a time.
    pub(crate) costs: &'static [u64],
}

impl Plan {
    pub(crate) fn named(name: &str) -> &'static Self {
        let plans = [&DIRECT, &LEASED, &WEIGHTED];
        let plan = plans.into_iter().find(|plan| plan.name == name);
        plan.expect("there is a plan of this name")
    }

    /// A whole run has longer windows, whose leases outlive the time that a process waits for a processor.
    pub(crate) fn rate(&self) -> Rate {
        let seconds = if is_whole() { 10 } else { 2 };
        let limit = self.speed * seconds;
        Rate {
            limit,
            window: Duration::from_secs(seconds),
            burst: limit / 4,
        }
    }

    /// What may be admitted in one of so many parts of a window. Leases keep to the limit in whole windows, and in shorter
    /// times may admit a hundredth of it more.
    pub(crate) fn most(&self, parts: u64) -> u64 {
        let Rate { limit, burst, .. } = self.rate();
        let leased = if self.leased && parts > 1 {
            limit / 100
        } else {
            0
        };
        burst + limit / parts + leased
    }
}

/// How many decisions all processes make in a run.
pub(crate) fn decisions() -> u64 {
    let decisions = env::var(DECISIONS).ok();
    decisions.map_or(50_000, |decisions| {
        decisions.parse().expect("it is a number")
    })
}

/// Whether a run was asked for by the number of its decisions.
pub(crate) fn is_whole() -> bool {
    env::var_os(DECISIONS).is_some()
}

pub(crate) const DIRECT: Plan = Plan {
    name: "direct",
    leased: false,
    speed: 4000,
    costs: &[1],
};
pub(crate) const LEASED: Plan = Plan {
    name: "leased",
    leased: true,
    speed: 20_000,
    costs: &[1],
};
/// Tokens: some callers take too much at a time for leases.
pub(crate) const WEIGHTED: Plan = Plan {
    name: "weighted",
    leased: true,
    speed: 500_000,
    costs: &[1, 3, 20, 20, 50, 150, 150, 6000],
};
pub(crate) const PROCESSES: usize = 4;

const DECISIONS: &str = "TOLLGATE_RATES_DECISIONS";
