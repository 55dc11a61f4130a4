mod exchange;
mod hear;
mod record;
mod rest;
mod talk;

use std::sync::Arc;

use tollgate_core::fact::Mode;

pub use self::exchange::{Ask, Send, Ticket};
use self::exchange::{Exchange, Front};
pub(crate) use self::{record::Record, rest::Rest};
use super::{
    pool::{Giver, Part, Pool},
    sizing::Sizing,
};
use crate::{
    Budget,
    bank::{Asker, Window, calendar::Calendar},
};

/// One budget of one account in a ledger, without I/O: what it may spend, and its talk with the bank.
///
/// Time is passed in, in milliseconds by a clock that only ascends.
#[derive(Debug)]
pub struct Account {
    text: Arc<str>,
    budget: Budget,
    asker: Asker,
    /// The last numbers of this asker, to the authority and to the reserve.
    numbers: [u64; 2],
    /// Whether the authority has named a window to this asker.
    introduced: bool,
    /// Whether the bank knows this asker no more: it needs to be a new one.
    outdated: bool,
    running: Option<Running>,
    /// The window of what a dead process left, until the authority has named one.
    inherited: Option<Window>,
    /// Whether nobody has held anything of what a dead process left: what the budget is, is not known.
    is_unused: bool,
    /// What the authority said that is left.
    left: i64,
    /// What was settled in the running window.
    spent: i64,
    pools: Vec<Pool>,
    last_pool: u32,
    demand: Option<Demand>,
    /// Whether little is left in the pools, though nobody waits.
    ahead: bool,
    dry: Option<Dry>,
    scarce: bool,
    warned: bool,
    /// Whether what is free goes back at once.
    is_hurried: bool,
    /// When something was held or settled last.
    touched: u64,
    /// When a tally was reported last.
    reported: u64,
    sizing: Sizing,
    /// What was spent beyond what was granted, by window.
    debts: Vec<(u64, i64)>,
    /// How often in a row a charge was refused, and how often a lease.
    strikes: u8,
    refusals: u8,
    /// The authority has refused too often: it is left alone until then.
    silent_until: u64,
    exchange: Option<Box<Exchange>>,
    front: Option<Box<Front>>,
}

/// The window that the authority has named.
#[derive(Clone, Copy, Debug)]
struct Running {
    window: Window,
    /// When it ends, by the clock that is passed in.
    closes: u64,
}

/// What is wanted of the bank.
#[derive(Clone, Copy, Debug, Default)]
struct Demand {
    /// What the largest of those who wait is short of.
    least: i64,
    /// What all that wait want.
    sum: i64,
}

/// The bank had not this much, so it is not asked again for a while.
#[derive(Clone, Copy, Debug)]
struct Dry {
    least: i64,
    until: u64,
}

/// Why nothing is held.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Why {
    /// The budget has not so much left.
    Spent,
    /// The bank has not granted it yet.
    Unavailable,
}

/// A budget as a ledger knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Figures {
    /// The most that may be spent in a window.
    pub limit: i64,
    /// What the bank granted here and has not got back; in soft budgets, what was reported to it.
    pub granted: i64,
    /// In open holds.
    pub held: i64,
    /// Settled by this ledger in this window.
    pub spent: i64,
    /// What is left to this ledger's knowledge.
    pub left: i64,
    /// When the window ends; absent before it is known, and if it does not end.
    pub closes: Option<u64>,
}

impl Account {
    /// An account that knows nothing. The asker is drawn by chance, and so new.
    #[must_use]
    pub fn new(text: Arc<str>, budget: Budget, asker: Asker, with_reserve: bool) -> Self {
        Self {
            text,
            budget,
            asker,
            numbers: [0; 2],
            introduced: false,
            outdated: false,
            running: None,
            inherited: None,
            is_unused: false,
            left: 0,
            spent: 0,
            pools: Vec::new(),
            last_pool: 0,
            demand: None,
            ahead: false,
            dry: None,
            scarce: false,
            warned: false,
            is_hurried: false,
            touched: 0,
            reported: 0,
            sizing: Sizing::default(),
            debts: Vec::new(),
            strikes: 0,
            refusals: 0,
            silent_until: 0,
            exchange: None,
            front: with_reserve.then(Box::default),
        }
    }

    /// Holds this much, all of it or nothing. Each part is handed over, to be settled.
    ///
    /// # Errors
    /// If it is not there. The bank is asked for it by the next message.
    pub fn hold(
        &mut self,
        budget: &Budget,
        amount: i64,
        now: u64,
        mut part: impl FnMut(Part),
    ) -> Result<(), Why> {
        self.take_on(budget, now);
        self.is_hurried = false;
        let amount = amount.max(0);
        let limit = self.budget.limit.nanos();
        match self.budget.mode {
            Mode::Hard if amount > limit => return Err(Why::Spent),
            Mode::Soft if limit <= 0 => return Err(Why::Spent),
            _ => {}
        }
        let open = self.window(now);
        if self.budget.mode != Mode::Hard {
            return self.count(amount, open, now).map(part);
        }
        let Some(window) = open else {
            self.want(amount, amount);
            return Err(Why::Unavailable);
        };
        let free = self.free(window);
        if amount > free {
            let short = amount - free;
            if self.is_dry(short, now) {
                return Err(Why::Spent);
            }
            self.want(short, amount);
            return Err(Why::Unavailable);
        }
        let mut rest = amount;
        for pool in &mut self.pools {
            let takes = rest.min(pool.free());
            if pool.window == window && takes > 0 {
                part(pool.hold(takes));
                rest -= takes;
            }
        }
        if amount == 0 {
            part(self.pool(window, Giver::Authority).hold(0));
        }
        self.touched = now;
        self.sizing.held(amount, now);
        self.ahead |= self.sizing.is_low(free - amount);
        Ok(())
    }

    /// Holds this much more of the window that a part is of. What is not here is held as a debt, which the bank is told of.
    /// Each new part is handed over, to be settled.
    ///
    /// Answers the debt.
    pub fn raise(&mut self, part: Part, more: i64, now: u64, mut hold: impl FnMut(Part)) -> i64 {
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.id == part.pool) else {
            return 0; // A pool stays for as long as a hold is open.
        };
        let mut rest = more.max(0);
        if pool.giver == Giver::Tally {
            hold(pool.hold(rest));
            return 0;
        }
        self.touched = now;
        self.sizing.held(rest, now);
        let window = pool.window;
        for pool in self.pools.iter_mut().filter(|pool| pool.window == window) {
            let takes = rest.min(pool.free());
            if takes > 0 {
                hold(pool.hold(takes));
                rest -= takes;
            }
        }
        if rest > 0 {
            let pool = self.pool(window, Giver::Owed);
            pool.granted = pool.granted.saturating_add(rest);
            hold(pool.hold(rest));
            self.owe(window, rest);
        }
        rest
    }

    /// Settles a part of a hold to what was spent. What does not fit is a debt, which the bank is told of.
    ///
    /// Answers the debt.
    pub fn settle(&mut self, part: Part, spent: i64, now: u64) -> i64 {
        let spent = spent.max(0);
        let pool = self.pools.iter_mut().find(|pool| pool.id == part.pool);
        let Some(pool) = pool else {
            return 0; // A pool stays for as long as a hold is open.
        };
        let debt = pool.settle(part.amount, spent);
        let window = pool.window;
        self.touched = now;
        self.sizing.settled(part.amount.saturating_sub(spent), now);
        if self.is_current(window) {
            self.spent = self.spent.saturating_add(spent);
        }
        if debt > 0 {
            self.owe(window, debt);
        }
        debt
    }

    /// What is known of the budget.
    #[must_use]
    pub fn figures(&self, now: u64) -> Figures {
        let mut figures = Figures {
            limit: self.budget.limit.nanos(),
            granted: 0,
            held: 0,
            spent: 0,
            left: self.budget.limit.nanos(),
            closes: None,
        };
        let Some(running) = self.running.filter(|running| now < running.closes) else {
            return figures;
        };
        for pool in self.pools_of(running.window.number) {
            figures.granted = figures.granted.saturating_add(pool.granted);
            figures.held = figures.held.saturating_add(pool.held);
        }
        figures.spent = self.spent;
        // Between two windows of a strict budget there is more than it ever has.
        figures.left = figures.limit.min(self.known_left(running.window.number));
        figures.closes = Some(running.closes).filter(|closes| *closes < u64::MAX);
        figures
    }

    /// What is used of the limit, once a window: when it is this many percent of it.
    pub fn warning(&mut self, percent: u8) -> Option<i64> {
        let window = self.running.filter(|_| !self.warned)?.window.number;
        let limit = i128::from(self.budget.limit.nanos());
        let used = limit - i128::from(self.known_left(window));
        if limit == 0 || used * 100 < limit * i128::from(percent) {
            return None;
        }
        self.warned = true;
        Some(i64::try_from(used).unwrap_or(i64::MAX))
    }

    /// Whether it can be forgotten: nothing is open, owed or to be given back, so forgetting forgives nothing.
    #[must_use]
    pub fn is_idle(&self, now: u64) -> bool {
        let settled = |pool: &Pool| pool.open == 0 && pool.unreported() == 0;
        let busy =
            self.exchange.is_some() || !self.debts.is_empty() || self.returnable(now).is_some();
        !busy && self.pools.iter().all(settled)
    }

    /// Whether the window is known that is running.
    #[must_use]
    pub fn is_known(&self, now: u64) -> bool {
        self.window(now).is_some()
    }

    /// The budget that was last asked for.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Its name in the bank.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The pools, for those who check them.
    #[must_use]
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// What is owed, by window.
    #[must_use]
    pub fn debts(&self) -> &[(u64, i64)] {
        &self.debts
    }

    /// Takes on terms that have changed.
    fn take_on(&mut self, budget: &Budget, now: u64) {
        self.is_unused = false;
        if self.budget == *budget {
            return;
        }
        let calendar = self.calendar();
        let more = budget
            .limit
            .nanos()
            .saturating_sub(self.budget.limit.nanos());
        self.left = self.left.saturating_add(more);
        self.budget = budget.clone();
        self.dry = None;
        self.warned = false;
        if self.is_outdated(&calendar) {
            self.ask_anew(now);
        }
    }

    /// The windows that it has now.
    fn calendar(&self) -> Calendar {
        self.budget.calendar(self.is_odd())
    }

    /// Whether what was named by this calendar may be a gap that has ended, or goes on for too long.
    fn is_outdated(&self, calendar: &Calendar) -> bool {
        let own = self.calendar();
        *calendar != own && (calendar.half.is_some() || own.half.is_some())
    }

    /// Holds nothing before the authority has named a window again: it alone ends a gap.
    pub(crate) fn ask_anew(&mut self, now: u64) {
        if let Some(running) = &mut self.running {
            running.closes = running.closes.min(now);
        }
        if let Some(front) = &mut self.front {
            front.unfunded = None;
            front.block = None;
        }
        self.dry = None;
    }

    /// Holds in a tally, which needs no grant.
    fn count(&mut self, amount: i64, open: Option<u64>, now: u64) -> Result<Part, Why> {
        let is_soft = self.budget.mode == Mode::Soft;
        match open {
            None => {
                self.want(0, 0);
                if is_soft {
                    return Err(Why::Unavailable);
                }
            }
            Some(window) if is_soft && self.known_left(window) <= 0 => return Err(Why::Spent),
            Some(_) => {}
        }
        self.touched = now;
        // Before the window is known, it is counted for the one that will be named.
        Ok(self
            .pool(open.unwrap_or(UNNAMED), Giver::Tally)
            .hold(amount))
    }

    fn want(&mut self, least: i64, sum: i64) {
        let demand = self.demand.get_or_insert_default();
        demand.least = demand.least.max(least);
        demand.sum = demand.sum.saturating_add(sum);
    }

    fn owe(&mut self, window: u64, amount: i64) {
        match self.debts.iter_mut().find(|(owed, _)| *owed == window) {
            Some((_, debt)) => *debt = debt.saturating_add(amount),
            None => self.debts.push((window, amount)),
        }
    }

    fn is_dry(&self, least: i64, now: u64) -> bool {
        self.dry
            .is_some_and(|dry| now < dry.until && least >= dry.least)
    }

    /// The number of the window, while it is open.
    fn window(&self, now: u64) -> Option<u64> {
        let running = self
            .running
            .as_ref()
            .filter(|running| now < running.closes)?;
        Some(running.window.number)
    }

    /// Whether it is the window that was named last, or the one that is yet to be named.
    fn is_current(&self, window: u64) -> bool {
        window == UNNAMED
            || self
                .running
                .is_some_and(|running| running.window.number == window)
    }

    fn pools_of(&self, window: u64) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(move |pool| pool.window == window)
    }

    fn free(&self, window: u64) -> i64 {
        self.pools_of(window)
            .fold(0, |sum, pool| sum.saturating_add(pool.free()))
    }

    /// What the authority has left, and what is free here; less what it does not know of.
    fn known_left(&self, window: u64) -> i64 {
        self.pools_of(window)
            .fold(self.left, |left, pool| match pool.giver {
                Giver::Tally => left
                    .saturating_sub(pool.unreported())
                    .saturating_sub(pool.held),
                _ => left.saturating_add(pool.free()),
            })
    }

    fn pool(&mut self, window: u64, giver: Giver) -> &mut Pool {
        let found = self
            .pools
            .iter()
            .position(|pool| pool.window == window && pool.giver == giver);
        let index = found.unwrap_or_else(|| {
            self.last_pool = self.last_pool.wrapping_add(1);
            self.pools.reserve_exact(1);
            self.pools.push(Pool::new(self.last_pool, window, giver));
            self.pools.len() - 1
        });
        &mut self.pools[index]
    }

    /// Forgets pools that nothing is open or free in: what they were granted stays spent.
    fn tidy(&mut self) {
        let named = self.running.map(|running| running.window);
        let running = named.or(self.inherited).map(|window| window.number);
        self.pools.retain(|pool| {
            let is_over = Some(pool.window) != running && pool.window != UNNAMED;
            pool.open > 0 || pool.unreported() > 0 || (pool.free() > 0 && !is_over)
        });
    }
}

/// The window that a tally is for before the authority has named one.
const UNNAMED: u64 = 0;

#[cfg(test)]
mod tests;
