use std::collections::{BTreeMap, HashMap};

use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Budget,
    bank::{Answer, Asker, Message, Order},
    sim::{Account, Ask, Part, Ticket},
};

use crate::{
    audit::{Place, Violation},
    chance::Chance,
    defect::Defect,
    plan::{Plan, Terms},
    provider::{Call, Heard},
    wire::{Back, From, Sent, Wire},
};

/// A process with a ledger: the real one's decisions, driven step by step.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) index: usize,
    /// Ascends with each start.
    pub(crate) life: u64,
    pub(crate) stopped_until: i64,
    pub(crate) cut_until: i64,
    /// The server it is connected to, if that is not the primary.
    pub(crate) server: Option<usize>,
    pub(crate) limit: i64,
    /// Whether it has read the price that has risen.
    pub(crate) has_read: bool,
    budget: Budget,
    strict: Option<Terms>,
    pub(crate) waiting: BTreeMap<u64, Call>,
    /// One, or two of a strict budget; none while it is dead.
    accounts: Vec<Account>,
    reserve: bool,
    chance: Chance,
    /// How far its clocks are off: the one that only ascends, and that on the wall.
    ahead: i64,
    skew: i64,
    /// Of each account, to the authority and to the reserve.
    wires: [[Wire; 2]; 2],
    /// What is under way, by where it comes from; what a faulty ledger takes for the awaited one is another.
    pending: HashMap<(Asker, bool), Ticket>,
}

/// A call that has its money.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) replica: usize,
    pub(crate) life: u64,
    pub(crate) amount: i64,
    pub(crate) shares: Vec<Share>,
    pub(crate) call: Call,
    /// When it was held, by the replica's own time, and when it was sent.
    pub(crate) held_at: u64,
    pub(crate) sent_at: i64,
}

/// What one of the accounts pays.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) place: Place,
    /// What was not granted when it was held.
    pub(crate) owed: i64,
    parts: Vec<Part>,
}

impl Replica {
    pub(crate) fn new(index: usize, plan: &Plan, chance: &mut Chance) -> Self {
        let mut replica = Self {
            index,
            life: 0,
            stopped_until: 0,
            cut_until: 0,
            server: None,
            limit: plan.limit,
            has_read: false,
            budget: budget(plan.limit, plan.strict),
            strict: plan.strict,
            waiting: BTreeMap::new(),
            accounts: Vec::new(),
            reserve: plan.reserve,
            chance: Chance::new(chance.next()),
            ahead: chance.between(0, 1_000_000),
            skew: 0,
            wires: Default::default(),
            pending: HashMap::new(),
        };
        replica.start();
        replica
    }

    /// Starts with no memory, and so as a new asker.
    pub(crate) fn start(&mut self) {
        self.kill();
        for half in 0..self.halves() {
            let account = self.anew(half);
            self.accounts.push(account);
        }
    }

    pub(crate) fn kill(&mut self) {
        self.life += 1;
        self.accounts.clear();
        self.waiting.clear();
        self.pending.clear();
    }

    /// Forgets accounts, if that forgives nothing. They return as new ones.
    pub(crate) fn evict(&mut self, at: u64) {
        for half in 0..self.accounts.len() {
            if self.waiting.is_empty() && self.accounts[half].is_idle(at) {
                self.accounts[half] = self.anew(half);
            }
        }
    }

    fn anew(&mut self, half: usize) -> Account {
        let asker = Asker(self.chance.wide());
        Account::new(TEXTS[half].into(), self.budget.clone(), asker, self.reserve)
    }

    fn halves(&self) -> usize {
        1 + usize::from(self.strict.is_some())
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.accounts.is_empty()
    }

    pub(crate) fn lower(&mut self, limit: i64) {
        self.limit = self.limit.min(limit);
        self.budget = budget(self.limit, self.strict);
    }

    pub(crate) fn jump(&mut self, by: i64) {
        self.skew += by;
        self.ahead += by.max(0);
    }

    pub(crate) fn time(&self, now: i64) -> u64 {
        u64::try_from(now + self.ahead).expect("it is past its start")
    }

    /// Holds this much in each account, if it is there. The wall is the authority's.
    pub(crate) fn hold(
        &mut self,
        amount: i64,
        at: u64,
        wall: i64,
        defect: Option<Defect>,
    ) -> Option<Vec<Share>> {
        let mut shares = Vec::new();
        for half in 0..self.accounts.len() {
            if !self.pays(half, wall, defect) {
                continue;
            }
            let Some(share) = self.hold_in(half, amount, at) else {
                self.settle(shares, Heard::Unsent, 0, at);
                return None;
            };
            shares.push(share);
        }
        (!shares.is_empty()).then_some(shares)
    }

    /// All do, unless it is built wrong.
    fn pays(&self, half: usize, wall: i64, defect: Option<Defect>) -> bool {
        let Some(strict) = self.strict else {
            return true;
        };
        match defect {
            Some(Defect::HoldsInOneWindow) => (wall.div_euclid(HOUR) + 1) % 2 == half as i64,
            Some(Defect::TrustsItsOwnClock) => {
                let span = strict.calendar(half == 1).span(wall + self.skew);
                !span.expect("there are windows").is_gap
            }
            _ => true,
        }
    }

    fn hold_in(&mut self, half: usize, amount: i64, at: u64) -> Option<Share> {
        let account = &mut self.accounts[half];
        let before: Vec<_> = account
            .pools()
            .iter()
            .map(|pool| (pool.id, pool.open))
            .collect();
        let mut parts = Vec::new();
        account
            .hold(&self.budget, amount, at, |part| parts.push(part))
            .ok()?;
        let paying = account
            .pools()
            .iter()
            .find(|pool| pool.open > 0 && !before.contains(&(pool.id, pool.open)))?;
        let place = (half, paying.window);
        Some(Share {
            place,
            owed: 0,
            parts,
        })
    }

    /// Holds more for a call that has become dearer. Answers what of it is owed.
    pub(crate) fn raise(&mut self, share: &mut Share, more: i64, at: u64) -> i64 {
        let Share { place, parts, owed } = share;
        let account = &mut self.accounts[place.0];
        let debt = account.raise(parts[0], more, at, |part| parts.push(part));
        *owed += debt;
        debt
    }

    pub(crate) fn settle(&mut self, shares: Vec<Share>, heard: Heard, spent: i64, at: u64) {
        for Share { place, parts, .. } in shares {
            let account = &mut self.accounts[place.0];
            let mut rest = if heard == Heard::Unsent { 0 } else { spent };
            let last = parts.len() - 1;
            for (index, part) in parts.into_iter().enumerate() {
                let takes = if index == last {
                    rest
                } else {
                    rest.min(part.amount())
                };
                rest -= takes;
                account.settle(part, takes, at);
            }
        }
    }

    /// What the ledger has to say: from where, what, and what a faulty one says beside it.
    pub(crate) fn next(
        &mut self,
        at: u64,
        chance: &mut Chance,
        defect: Option<Defect>,
    ) -> Option<(From, Sent, Option<Message<Order>>)> {
        let draw = &mut self.chance;
        let mut accounts = self.accounts.iter_mut().enumerate();
        let (half, send) = accounts
            .find_map(|(half, account)| Some((half, account.next_message(at, || draw.wide())?)))?;
        let Ticket {
            asker,
            to_reserve,
            number,
        } = send.ticket;
        let from = From {
            replica: self.index,
            life: self.life,
            half,
            ticket: send.ticket,
        };
        self.pending.insert((asker, to_reserve), send.ticket);
        let [authority, reserve] = &mut self.wires[half];
        let mut beside = None;
        let sent = match send.ask {
            Ask::Authority(mut message) => {
                authority.pass_to_authority(&mut message, defect);
                Sent::Authority(message)
            }
            Ask::Reserve(mut message) => {
                let repeated = reserve.pass_to_reserve(&mut message, chance, defect);
                if repeated && defect == Some(Defect::GivesBackToBoth) {
                    beside = authority.beside(&message);
                }
                Sent::Reserve(message)
            }
        };
        debug_assert!(number > 0, "numbers ascend from 1");
        Some((from, sent, beside))
    }

    /// Hears an answer, to whatever message.
    pub(crate) fn hears(
        &mut self,
        from: From,
        mut back: Back,
        at: u64,
        wall: i64,
        plan: &Plan,
        defect: Option<Defect>,
    ) {
        if from.life != self.life {
            return;
        }
        let wall = wall + self.skew;
        let Some(account) = self.accounts.get_mut(from.half) else {
            return;
        };
        let mut ticket = from.ticket;
        if defect == Some(Defect::AppliesAnAnswerTwice)
            && let Some(pending) = self.pending.get(&(ticket.asker, ticket.to_reserve))
        {
            ticket = *pending;
        }
        if let (
            Some(Defect::NamesItsOwnWindow),
            Back::Authority(Answer::Granted { window, .. } | Answer::Spent { window, .. }),
        ) = (defect, &mut back)
        {
            let hours = (wall.div_euclid(HOUR) - plan.begins_at.div_euclid(HOUR)).max(0);
            window.number = 1 + hours.cast_unsigned();
        }
        match back {
            Back::Authority(answer) => account.answered(ticket, answer, at),
            Back::Reserve(reply) => account.replied(ticket, reply, at),
        }
    }

    /// No answer has come for a while, or the connection failed.
    pub(crate) fn hears_nothing(&mut self, from: From, at: u64) {
        if from.life == self.life
            && let Some(account) = self.accounts.get_mut(from.half)
        {
            account.lost(from.ticket, at);
        }
    }

    /// What its pools have free, by window.
    pub(crate) fn free(&self) -> impl Iterator<Item = (Place, i64)> {
        let accounts = self.accounts.iter().enumerate();
        accounts.flat_map(|(half, account)| {
            let pools = account.pools().iter();
            pools.map(move |pool| ((half, pool.window), pool.free()))
        })
    }

    pub(crate) fn check(&self) -> Result<(), Violation> {
        let mut pools = self.accounts.iter().flat_map(Account::pools);
        match pools
            .find(|pool| pool.held < 0 || pool.spent < 0 || pool.held + pool.spent > pool.granted)
        {
            Some(pool) => Err(Violation::new(format!(
                "more is used than granted: {pool:?}"
            ))),
            None => Ok(()),
        }
    }
}

fn budget(limit: i64, strict: Option<Terms>) -> Budget {
    let budget = Budget::hard(Cost::from_nanos(limit), Period::Hour);
    match strict {
        Some(terms) => budget.strict(terms.strict()),
        None => budget,
    }
}

/// Which of the budget's accounts a text names.
pub(crate) fn half_of(text: &str) -> usize {
    usize::from(text == TEXTS[1])
}

/// As a ledger names them.
const TEXTS: [&str; 2] = ["4:team,1:a,hourly", "4:team,1:a;hourly"];

const HOUR: i64 = 3_600_000;
