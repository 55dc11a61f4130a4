use std::collections::{BTreeMap, HashMap};

use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Budget,
    bank::{Answer, Asker, Message, Order},
    sim::{Account, Ask, Part, Ticket},
};

use crate::{
    audit::Violation,
    chance::Chance,
    defect::Defect,
    plan::Plan,
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
    pub(crate) waiting: BTreeMap<u64, Call>,
    account: Option<Account>,
    reserve: bool,
    chance: Chance,
    /// How far its clocks are off: the one that only ascends, and that on the wall.
    ahead: i64,
    skew: i64,
    wires: [Wire; 2],
    /// What is under way, by where it comes from; what a faulty ledger takes for the awaited one is another.
    pending: HashMap<(Asker, bool), Ticket>,
}

/// A call that has its money.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) replica: usize,
    pub(crate) life: u64,
    pub(crate) window: u64,
    pub(crate) amount: i64,
    /// Of that, what was not granted when it was held.
    pub(crate) owed: i64,
    pub(crate) parts: Vec<Part>,
    pub(crate) call: Call,
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
            budget: budget(plan.limit),
            waiting: BTreeMap::new(),
            account: None,
            reserve: plan.reserve,
            chance: Chance::new(chance.next()),
            ahead: chance.between(0, 1_000_000),
            skew: 0,
            wires: [Wire::default(), Wire::default()],
            pending: HashMap::new(),
        };
        replica.start();
        replica
    }

    /// Starts with no memory, and so as a new asker.
    pub(crate) fn start(&mut self) {
        self.kill();
        let asker = Asker(self.chance.wide());
        self.account = Some(Account::new(
            "team".into(),
            self.budget.clone(),
            asker,
            self.reserve,
        ));
    }

    pub(crate) fn kill(&mut self) {
        self.life += 1;
        self.account = None;
        self.waiting.clear();
        self.pending.clear();
    }

    /// Forgets the account, if that forgives nothing. It returns as a new one.
    pub(crate) fn evict(&mut self, at: u64) {
        if self.waiting.is_empty()
            && self
                .account
                .as_ref()
                .is_some_and(|account| account.is_idle(at))
        {
            let asker = Asker(self.chance.wide());
            self.account = Some(Account::new(
                "team".into(),
                self.budget.clone(),
                asker,
                self.reserve,
            ));
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.account.is_some()
    }

    pub(crate) fn lower(&mut self, limit: i64) {
        self.limit = self.limit.min(limit);
        self.budget = budget(self.limit);
    }

    pub(crate) fn jump(&mut self, by: i64) {
        self.skew += by;
        self.ahead += by.max(0);
    }

    pub(crate) fn time(&self, now: i64) -> u64 {
        u64::try_from(now + self.ahead).expect("it is past its start")
    }

    /// Holds this much, if it is there: the parts, and the window that pays for them.
    pub(crate) fn hold(&mut self, amount: i64, at: u64) -> Option<(Vec<Part>, u64)> {
        let account = self.account.as_mut()?;
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
        Some((parts, paying.window))
    }

    /// Holds more for a call that has become dearer. Answers what of it is owed.
    pub(crate) fn raise(&mut self, parts: &mut Vec<Part>, more: i64, at: u64) -> i64 {
        let account = self.account.as_mut().expect("it lives");
        account.raise(parts[0], more, at, |part| parts.push(part))
    }

    pub(crate) fn settle(&mut self, parts: Vec<Part>, heard: Heard, spent: i64, at: u64) {
        let account = self.account.as_mut().expect("it lives");
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

    /// What the ledger has to say: from where, what, and what a faulty one says beside it.
    pub(crate) fn next(
        &mut self,
        at: u64,
        chance: &mut Chance,
        defect: Option<Defect>,
    ) -> Option<(From, Sent, Option<Message<Order>>)> {
        let draw = &mut self.chance;
        let send = self.account.as_mut()?.next_message(at, || draw.wide())?;
        let Ticket {
            asker,
            to_reserve,
            number,
        } = send.ticket;
        let from = From {
            replica: self.index,
            life: self.life,
            ticket: send.ticket,
        };
        self.pending.insert((asker, to_reserve), send.ticket);
        let [authority, reserve] = &mut self.wires;
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
        let Some(account) = &mut self.account else {
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
            && let Some(account) = &mut self.account
        {
            account.lost(from.ticket, at);
        }
    }

    /// What its pools have free, by window.
    pub(crate) fn free(&self) -> impl Iterator<Item = (u64, i64)> {
        let pools = self.account.as_ref().map_or(&[][..], Account::pools);
        pools.iter().map(|pool| (pool.window, pool.free()))
    }

    pub(crate) fn check(&self) -> Result<(), Violation> {
        let pools = self.account.as_ref().map_or(&[][..], Account::pools);
        match pools
            .iter()
            .find(|pool| pool.held < 0 || pool.spent < 0 || pool.held + pool.spent > pool.granted)
        {
            Some(pool) => Err(Violation::new(format!(
                "more is used than granted: {pool:?}"
            ))),
            None => Ok(()),
        }
    }
}

fn budget(limit: i64) -> Budget {
    Budget::hard(Cost::from_nanos(limit), Period::Hour)
}

const HOUR: i64 = 3_600_000;
