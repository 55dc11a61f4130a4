use std::sync::Arc;

use http::request::Parts;
use serde_json::json;
use smallvec::SmallVec;
use tollgate_core::{
    Rejection, Trail,
    fact::{Allowance, Cost, Lifetime, Mode, Target},
};

use crate::{
    Bound, Claim, Hold, Ledger, Overrun, Settlement, Short, Why,
    accounts::Accounts,
    bound::Again,
    gate::Config,
    gather::Due,
    open::{OpenCall, Opened},
    policy::{Left, Policy, micros},
    refusal,
    spent::Bill,
    want::would_refuse,
};

/// What a request may cost, and the budgets that pay for it.
///
/// Hard budgets and others are held apart: a hard one is settled to the provider's word only, others also to an estimate.
pub(crate) struct Booking {
    ledger: Ledger,
    hard: Side,
    others: Side,
    amount: Cost,
    /// Who has a bound to keep.
    target: Option<Arc<str>>,
    /// The most output, for each answer, that is paid for.
    output: Option<u64>,
    /// What it may cost when prices have changed, and how often they had been read before.
    again: Option<Again>,
    readings: u64,
    /// Where its holds are while it is open, if that can be.
    opened: Option<Opened>,
}

#[derive(Default)]
struct Side {
    dues: Vec<Due>,
    hold: Option<Hold>,
}

impl Booking {
    /// Finds out what the request may cost. If no hard budget depends on it, it need not have a bound.
    pub(crate) fn new(
        config: &Config,
        accounts: &Accounts,
        parts: &Parts,
        dues: Vec<Due>,
    ) -> Result<Self, Rejection> {
        let (Some(ledger), Some(worst)) = (&config.ledger, &config.worst) else {
            return Err(refusal::no_ledger());
        };
        let (hard, others): (Vec<_>, Vec<_>) = dues
            .into_iter()
            .partition(|due| due.budget.mode() == Mode::Hard);
        let target = parts
            .extensions
            .get::<Target>()
            .filter(|_| !hard.is_empty());
        if let Some(target) = target.filter(|target| accounts.blocked.contains(&target.name)) {
            return Err(refusal::target_blocked(&target.name));
        }
        let readings = accounts.open.readings();
        let (bound, output) = match worst(parts, None) {
            Ok(bound) => {
                let output = bound.output;
                (bound, Some(output))
            }
            Err(rejection) if !hard.is_empty() => return Err(rejection),
            Err(_) => (Bound::new(Cost::default(), 0), None),
        };
        Ok(Self {
            ledger: ledger.clone(),
            output: output.filter(|output| *output > 0 && !hard.is_empty()),
            hard: Side::of(hard),
            others: Side::of(others),
            amount: bound.cost,
            target: target.map(|target| Arc::clone(&target.name)),
            again: bound.again,
            readings,
            opened: None,
        })
    }

    /// Holds what there is, without waiting, and says whether that is all.
    pub(crate) fn now(&mut self, config: &Config, parts: &Parts) -> Result<bool, Rejection> {
        for _ in 0..CLAMPS {
            match self.hold() {
                Ok(()) => return Ok(true),
                Err((_, short)) if short.why == Why::Unavailable => return Ok(false),
                Err((due, short)) => self.clamp(config, parts, due, short)?,
            }
        }
        Ok(false)
    }

    /// Holds, and waits for the bank if need be.
    pub(crate) async fn soon(&mut self, config: &Config, parts: &Parts) -> Result<(), Rejection> {
        for _ in 0..CLAMPS {
            match self.hold_soon().await {
                Ok(()) => return Ok(()),
                Err((due, short)) => self.clamp(config, parts, due, short)?,
            }
        }
        Err(refusal::budget_unavailable())
    }

    /// Tells whoever sends the request what is paid for; and the operator, what a budget that only looks on would refuse.
    pub(crate) fn allow(&self, parts: &mut Parts, trail: &Trail) {
        let others = self.others.dues.iter();
        for due in others.filter(|due| due.budget.mode() == Mode::Observe) {
            let state = self.ledger.snapshot(&due.claim());
            if state.is_some_and(|state| state.left < Cost::default()) {
                would_refuse(due.policy.name(), Some(trail));
            }
        }
        if let Some(lifetime) = self.hard.hold.as_ref().and_then(Hold::lifetime) {
            let outer = parts.extensions.get::<Lifetime>();
            let lifetime = outer.map_or(lifetime, |outer| outer.and(lifetime));
            parts.extensions.insert(lifetime);
        }
        if let Some(output) = self.output {
            let allowance = Allowance { output };
            parts.extensions.insert(allowance);
            trail.set(allowance);
        }
    }

    /// From here on, more is held when the call becomes dearer.
    pub(crate) fn open(&mut self, accounts: &Arc<Accounts>) {
        if let Some(again) = self.again.take() {
            let holds = [self.hard.hold.take(), self.others.hold.take()];
            let call = OpenCall { holds, again };
            self.opened = Some(Opened::new(accounts, call, self.readings));
        }
    }

    /// What is left of each budget.
    pub(crate) fn left(&self, mut show: impl FnMut(&Policy, Left)) {
        for due in self.hard.dues.iter().chain(&self.others.dues) {
            if let Some(state) = self.ledger.snapshot(&due.claim()) {
                let left = Left {
                    remaining: micros(state.left),
                    reset: state.ends_in,
                };
                show(&due.policy, left);
            }
        }
    }

    /// Settles what was held, and writes it down.
    pub(crate) fn settle(mut self, bill: Bill, trail: &Trail, accounts: &Accounts) {
        if let Some(mut opened) = self.opened.take() {
            [self.hard.hold, self.others.hold] = opened.close();
        }
        let hold = self.hard.hold.as_ref().or(self.others.hold.as_ref());
        self.amount = hold.map_or(self.amount, Hold::amount);
        let (hard, others) = match bill {
            Bill::Released => (Settlement::Released, Settlement::Released),
            Bill::Known(cost) => (Settlement::Known(cost), Settlement::Known(cost)),
            Bill::Estimated(cost) => (Settlement::Whole, Settlement::Known(cost)),
            Bill::Whole => (Settlement::Whole, Settlement::Whole),
        };
        let settled = |settlement| match settlement {
            Settlement::Released => 0,
            Settlement::Known(cost) if cost.nanos() >= 0 => cost.nanos(),
            _ => self.amount.nanos(),
        };
        let names = self.hard.dues.iter().chain(&self.others.dues);
        let names = names.map(|due| &**due.policy.name()).collect::<Vec<_>>();
        let settlement = if self.hard.hold.is_some() {
            hard
        } else {
            others
        };
        let note = json!({
            "budgets": names,
            "held": self.amount.nanos(),
            "settled": settled(settlement),
            "whole": settlement == Settlement::Whole,
        });
        trail.note("budget", note);
        if let Some(hold) = self.others.hold.take() {
            hold.settle(others); // What no hard budget pays for was not bounded.
        }
        let overrun = self.hard.hold.take().and_then(|hold| hold.settle(hard));
        if let Some(overrun) = overrun {
            self.alarm(overrun, accounts);
        }
    }

    /// The provider's own bill is more than what it was told to stay below, or the prices are wrong: that goes on until
    /// somebody looks after it.
    fn alarm(&self, overrun: Overrun, accounts: &Accounts) {
        let target = self.target.clone().unwrap_or_default();
        tracing::error!(
            target = &*target,
            held = overrun.held.nanos(),
            spent = overrun.spent.nanos(),
            debt = overrun.debt.nanos(),
            "a call has cost more than its bound: hard budgets pay for no more there until it is unblocked"
        );
        if self.target.is_some() {
            accounts.blocked.add(&target);
        }
        metrics::counter!("tollgate_quota_overruns_total", "target" => target).increment(1);
    }

    fn hold(&mut self) -> Result<(), (usize, Short)> {
        let (ledger, amount) = (&self.ledger, self.amount);
        for (side, first) in [(&mut self.hard, 0), (&mut self.others, OTHERS)] {
            if side.hold.is_none() && !side.dues.is_empty() {
                let held = ledger.hold(&side.claims(), amount);
                side.hold = Some(held.map_err(|short| (first + short.index, short))?);
            }
        }
        Ok(())
    }

    async fn hold_soon(&mut self) -> Result<(), (usize, Short)> {
        let (ledger, amount) = (&self.ledger, self.amount);
        for (side, first) in [(&mut self.hard, 0), (&mut self.others, OTHERS)] {
            if side.hold.is_none() && !side.dues.is_empty() {
                let holding = ledger.hold_soon(&side.claims(), amount);
                let held = holding.await;
                side.hold = Some(held.map_err(|short| (first + short.index, short))?);
            }
        }
        Ok(())
    }

    /// Lowers the output until it fits into what is left, if that was chosen and is of use; else refuses.
    fn clamp(
        &mut self,
        config: &Config,
        parts: &Parts,
        due: usize,
        short: Short,
    ) -> Result<(), Rejection> {
        let due = |this: &Self| match due.checked_sub(OTHERS) {
            Some(index) => this.others.dues.get(index).cloned(),
            None => this.hard.dues.get(due).cloned(),
        };
        let refuse = |this: &Self| {
            Err(match (short.why, due(this)) {
                (Why::Spent, Some(due)) => refusal::budget(&due, &short, this.amount, config.spent),
                _ => refusal::budget_unavailable(),
            })
        };
        // What is more than the whole budget is refused before it is known what is left.
        let left = short.left.or_else(|| Some(due(self)?.budget.limit()));
        let (Some(least), Some(output), Some(left), Some(worst)) =
            (config.clamp, self.output, left, &config.worst)
        else {
            return refuse(self);
        };
        let fits = |output: u64| {
            let bound = worst(parts, Some(output)).ok();
            bound.filter(|bound| bound.cost <= left)
        };
        let (mut low, mut high) = (least.max(1), output.saturating_sub(1));
        if short.why != Why::Spent || low > high {
            return refuse(self);
        }
        let Some(mut found) = fits(low) else {
            return refuse(self);
        };
        while low < high {
            let middle = high - (high - low) / 2;
            match fits(middle) {
                Some(bound) => (low, found) = (middle, bound),
                None => high = middle - 1,
            }
        }
        (self.amount, self.output) = (found.cost, Some(found.output));
        self.again = found.again;
        // What is held already was held for more.
        (self.hard.hold, self.others.hold) = (None, None);
        Ok(())
    }
}

impl Side {
    fn of(dues: Vec<Due>) -> Self {
        Self { dues, hold: None }
    }

    fn claims(&self) -> SmallVec<[Claim<'_>; 4]> {
        self.dues.iter().map(Due::claim).collect()
    }
}

impl Due {
    fn claim(&self) -> Claim<'_> {
        Claim {
            scope: self.scope,
            account: &self.account,
            name: &self.name,
            budget: &self.budget,
        }
    }
}

/// Where the numbers of other dues begin.
const OTHERS: usize = 1 << 16;
/// How often a request is made smaller, while others take what is left.
const CLAMPS: usize = 3;
