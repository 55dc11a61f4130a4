use std::time::Duration;

use tokio::time::Instant;

use crate::{BreakerPolicy, Class, window::Window};

/// One circuit breaker: a state machine without a clock and without chance, which are told to it.
///
/// Every call asks for a [`Permission`] and gives it back with how it went. What it learns late, of a call that began
/// before the state changed, does not count.
///
/// ```
/// use tokio::time::Instant;
/// use tollgate_breaker::{Breaker, BreakerPolicy, Class, State};
///
/// let now = Instant::now();
/// let policy = BreakerPolicy::new().consecutive_failures(1);
/// let mut breaker = Breaker::new(policy);
///
/// let permission = breaker.acquire(now).unwrap();
/// breaker.record(permission, Class::Failure, now, 0.0);
/// assert_eq!(breaker.state(), State::Open);
/// assert!(breaker.acquire(now).is_err());
/// ```
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    phase: Phase,
    /// Rises with each change of state, so that what is late can be told.
    generation: u64,
    window: Window,
    failures_in_a_row: u32,
    /// Rounds of probes that failed since it was last closed.
    failed_rounds: u32,
    probes_begun: u64,
    saturated_until: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        since: Instant,
        probes: Vec<Probe>,
        successes: u32,
    },
}

#[derive(Debug)]
struct Probe {
    number: u64,
    deadline: Instant,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            window: Window::new(policy.sliding_window),
            policy,
            phase: Phase::Closed,
            generation: 0,
            failures_in_a_row: 0,
            failed_rounds: 0,
            probes_begun: 0,
            saturated_until: None,
        }
    }

    /// The state. One that has been open for long enough becomes half-open with the next call.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Asks whether a call may be made.
    ///
    /// # Errors
    /// When it may not, and when to ask again.
    pub fn acquire(&mut self, now: Instant) -> Result<Permission, Refusal> {
        if let Phase::Open { until } = self.phase
            && now < until
        {
            return Err(Refusal::Open(until - now));
        }
        if let Some(until) = self.saturated_until {
            if now < until {
                return Err(Refusal::Saturated(until - now));
            }
            self.saturated_until = None;
        }
        if let Phase::Open { .. } = self.phase {
            self.enter(Phase::HalfOpen {
                since: now,
                probes: Vec::new(),
                successes: 0,
            });
        }
        let mut permission = Permission {
            generation: self.generation,
            probe: 0,
        };
        if let Phase::HalfOpen {
            probes, successes, ..
        } = &mut self.phase
        {
            // One that never ends makes room for another; its success or failure still counts when it comes.
            probes.retain(|probe| now < probe.deadline);
            let taken = probes.len() as u64 + u64::from(*successes);
            if taken >= u64::from(self.policy.permitted_probes) {
                return Err(Refusal::Open(ASK_AGAIN));
            }
            self.probes_begun += 1;
            permission.probe = self.probes_begun;
            probes.push(Probe {
                number: permission.probe,
                deadline: after(now, self.policy.probe_deadline),
            });
        }
        Ok(permission)
    }

    /// Takes note of how a call went. `chance`, in `0.0..1.0`, is where in its jitter the next wait falls.
    pub fn record(&mut self, permission: Permission, class: Class, now: Instant, chance: f64) {
        if let Class::Saturated(Some(wait)) = class {
            // It is the target's word on its own time, so it counts whenever the call began.
            let until = after(now, wait.min(self.policy.max_saturation));
            self.saturated_until = self.saturated_until.max(Some(until));
        }
        if permission.generation != self.generation {
            return;
        }
        self.give_back(&permission);
        let failed = match class {
            Class::Success => false,
            Class::Failure => true,
            Class::Saturated(_) | Class::Ignored => return,
        };
        if let Some(next) = self.judge(failed) {
            if next == State::Open {
                let until = after(now, self.policy.wait(self.failed_rounds, chance));
                self.enter(Phase::Open { until });
            } else {
                self.enter(Phase::Closed);
            }
        }
    }

    /// Gives a permission back without having learned anything, as when the caller left.
    pub fn release(&mut self, permission: Permission) {
        if permission.generation == self.generation {
            self.give_back(&permission);
        }
    }

    /// Whether nothing would be forgiven if this breaker were forgotten.
    pub(crate) fn is_pristine(&self, now: Instant) -> bool {
        self.state() == State::Closed && self.window.failures() == 0 && !self.is_saturated(now)
    }

    /// Whether this breaker holds nobody back, and has not for a while.
    pub(crate) fn is_dispensable(&self, now: Instant) -> bool {
        let long = self.policy.max_wait_in_open;
        let quiet = match &self.phase {
            Phase::Closed => true,
            Phase::Open { until } => now >= after(*until, long),
            Phase::HalfOpen { since, .. } => {
                now >= after(*since, long.saturating_add(self.policy.probe_deadline))
            }
        };
        quiet && !self.is_saturated(now)
    }

    fn is_saturated(&self, now: Instant) -> bool {
        self.saturated_until.is_some_and(|until| now < until)
    }

    fn give_back(&mut self, permission: &Permission) {
        if let Phase::HalfOpen { probes, .. } = &mut self.phase {
            probes.retain(|probe| probe.number != permission.probe);
        }
    }

    /// Counts a call, and says what that makes of the state.
    fn judge(&mut self, failed: bool) -> Option<State> {
        match &mut self.phase {
            Phase::Closed => {
                self.window.push(failed);
                self.failures_in_a_row = if failed {
                    self.failures_in_a_row + 1
                } else {
                    0
                };
                // A success may complete the minimum, so it is judged as well.
                self.trips().then_some(State::Open)
            }
            Phase::HalfOpen { .. } if failed => {
                self.failed_rounds = self.failed_rounds.saturating_add(1);
                Some(State::Open)
            }
            Phase::HalfOpen { successes, .. } => {
                *successes += 1;
                if *successes < self.policy.permitted_probes {
                    return None;
                }
                self.failed_rounds = 0;
                Some(State::Closed)
            }
            Phase::Open { .. } => None, // no call begins in it
        }
    }

    fn trips(&self) -> bool {
        let row = self.policy.consecutive_failures;
        if row.is_some_and(|row| self.failures_in_a_row >= row) {
            return true;
        }
        let (calls, failures) = (self.window.calls(), self.window.failures());
        // A quotient of integers is the float nearest to it, as the threshold is, so that "at least" is exact.
        calls >= self.policy.minimum_calls.min(self.window.size())
            && f64::from(failures) / f64::from(calls) >= self.policy.failure_rate_threshold
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
        self.window.clear();
        self.failures_in_a_row = 0;
    }
}

/// The state of a [`Breaker`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass, to see how it goes.
    HalfOpen,
}

impl State {
    /// The state as a label: `closed`, `open` or `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// One call that a [`Breaker`] let through, to be given back by [`record`](Breaker::record) or
/// [`release`](Breaker::release).
#[derive(Debug)]
#[must_use]
pub struct Permission {
    generation: u64,
    /// Which probe it is; zero if it is none.
    probe: u64,
}

/// Why a [`Breaker`] let no call through, and in how long to ask again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is open, or half-open with all probes on their way.
    Open(Duration),
    /// The target said when it can take calls again.
    Saturated(Duration),
}

/// A time that can be told, however long the wait: a policy may say `Duration::MAX`.
fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(CENTURY)
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Nobody knows when a probe ends.
const ASK_AGAIN: Duration = Duration::from_secs(1);
