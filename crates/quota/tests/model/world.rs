mod calls;
mod checks;
mod faults;
mod network;

use std::collections::BTreeMap;

use tollgate_quota::{
    bank::{Demand, Message, Order},
    sim::Ticket,
};

use crate::{
    audit::{Audit, Figures, Violation},
    authority::Authority,
    chance::Chance,
    defect::Defect,
    fault::Fault,
    plan::Plan,
    provider::{Call, Heard},
    replica::{Paid, Replica},
    reserve::{Server, Witness},
    wire::{Back, From, Sent},
};

/// A whole system, and its time: everything that happens is an event, and follows from the seed.
#[derive(Debug)]
pub(crate) struct World {
    plan: Plan,
    chance: Chance,
    defect: Option<Defect>,
    checks: Checks,
    now: i64,
    events: BTreeMap<(i64, u64), Event>,
    count: u64,
    authority: Authority,
    /// Two, of which each replica knows one.
    servers: [Server; 2],
    primary: usize,
    older: Server,
    reserve_away: bool,
    reserve_skew: i64,
    witness: Witness,
    replicas: Vec<Replica>,
    audit: Audit,
    /// What the provider is at, for strict budgets.
    open: BTreeMap<u64, Paid>,
    mended: bool,
    trace: Option<Vec<String>>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Checks {
    /// Every sum, after every step.
    All,
    /// The provider's bill.
    Bill,
}

#[derive(Clone, Debug)]
enum Event {
    Arrives(usize),
    Ticks(usize),
    GivesUp(usize, u64, u64),
    /// Reads the price that has risen.
    Reads(usize),
    AtAuthority(From, Message<Order>),
    AtReserve(From, Message<Demand>),
    Back(From, Back),
    Silent(From),
    Sends(Box<Paid>),
    Writes(Box<Paid>),
    Cuts(usize, u64),
    Finishes(u64),
    Ends(Box<Paid>),
    Settles(Box<Paid>),
    Fails(Fault),
    Starts(usize),
}

impl World {
    pub(crate) fn new(seed: u64, defect: Option<Defect>, checks: Checks) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::of(seed, &mut chance);
        let servers = [Server::new(&mut chance), Server::new(&mut chance)];
        let replicas = (0..plan.replicas)
            .map(|index| Replica::new(index, &plan, &mut chance))
            .collect();
        let mut world = Self {
            chance,
            defect,
            checks,
            now: 0,
            events: BTreeMap::new(),
            count: 0,
            authority: Authority::default(),
            older: servers[0].clone(),
            servers,
            primary: 0,
            reserve_away: false,
            reserve_skew: 0,
            witness: Witness::default(),
            replicas,
            audit: Audit::default(),
            open: BTreeMap::new(),
            mended: false,
            trace: None,
            plan,
        };
        world.authority.skew = world.plan.begins_at;
        for replica in 0..world.plan.replicas {
            world.after(1, Event::Arrives(replica));
            world.after(2, Event::Ticks(replica));
            if let Some((at, _)) = world.plan.rise.filter(|_| !world.plan.is_announced) {
                world.after(at, Event::Reads(replica));
            }
        }
        for (at, fault) in Fault::draw(&world.plan, &mut world.chance) {
            world.after(at, Event::Fails(fault));
        }
        world
    }

    pub(crate) fn traced(mut self) -> Self {
        self.trace = Some(vec![format!("{:?}", self.plan)]);
        self
    }

    pub(crate) fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Lets things happen until all calls have ended and all has been quiet for a while.
    pub(crate) fn run(&mut self) -> Result<(Plan, Figures), Violation> {
        self.until(self.plan.lasts)?;
        self.mend();
        let quiet = QUIET + self.plan.longest;
        self.until(self.plan.lasts + quiet)?;
        self.sum_up();
        if self.defect.is_none() {
            self.try_again()?;
        }
        self.bills()?;
        Ok((self.plan.clone(), self.audit.figures))
    }

    fn until(&mut self, end: i64) -> Result<(), Violation> {
        while let Some(next) = self.events.first_entry()
            && next.key().0 <= end
        {
            let ((now, _), event) = next.remove_entry();
            self.now = now;
            self.happen(event)?;
            if self.checks == Checks::All {
                self.check()?;
            }
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        if let Some(replica) = event
            .of()
            .filter(|replica| self.replicas[*replica].stopped_until > self.now)
        {
            let until = self.replicas[replica].stopped_until;
            self.after(until - self.now, event);
            return Ok(());
        }
        if !matches!(
            event,
            Event::Ticks(_) | Event::Arrives(_) | Event::GivesUp(..)
        ) {
            self.note(&event);
        }
        match event {
            Event::Arrives(replica) => self.arrive(replica),
            Event::Ticks(replica) => {
                self.pump(replica);
                if self.plan.evicts && self.chance.happens(100) {
                    let at = self.time(replica);
                    self.replicas[replica].evict(at);
                }
                self.after(TICK, Event::Ticks(replica));
                if self.defect == Some(Defect::CreditsAtADeadline) {
                    self.authority.credit_the_silent(self.now);
                }
            }
            Event::GivesUp(replica, life, call) => self.give_up(replica, life, call),
            Event::Reads(replica) => self.read(replica),
            Event::AtAuthority(from, message) => self.at_authority(from, &message)?,
            Event::AtReserve(from, message) => self.at_reserve(from, &message),
            Event::Back(from, back) => {
                let at = self.time(from.replica);
                let wall = self.now + self.plan.begins_at;
                self.replicas[from.replica].hears(from, back, at, wall, &self.plan, self.defect);
                self.pump(from.replica);
            }
            Event::Silent(from) => {
                let at = self.time(from.replica);
                self.replicas[from.replica].hears_nothing(from, at);
                self.pump(from.replica);
            }
            Event::Sends(paid) => self.send_call(paid),
            Event::Writes(paid) => self.write_call(paid),
            Event::Cuts(_, call) => self.finish_call(call, true),
            Event::Finishes(call) => self.finish_call(call, false),
            Event::Ends(paid) => {
                if paid.call.heard != Heard::Unsent {
                    let bill = paid.call.bill(&self.plan);
                    let date = self.date(&paid);
                    let places = paid.shares.iter().map(|share| share.place);
                    self.audit.bill(places.clone(), date, bill);
                    if bill > paid.amount && !self.has_heard(&paid) {
                        places.for_each(|place| self.audit.lose(place, bill - paid.amount));
                    } else if self.checks == Checks::All && bill > paid.amount {
                        return Err(Violation::new(format!(
                            "more is billed than was held: {paid:?}"
                        )));
                    }
                    self.bills()?;
                }
                self.after(0, Event::Settles(paid));
            }
            Event::Settles(paid) => self.settle(*paid),
            Event::Fails(fault) => self.fail(fault),
            Event::Starts(replica) => {
                self.replicas[replica].start();
                self.pump(replica);
            }
        }
        Ok(())
    }

    fn arrive(&mut self, replica: usize) {
        if !self.mended {
            let pause = self.chance.between(1, 2 * self.plan.pause);
            self.after(pause, Event::Arrives(replica));
        }
        if !self.replicas[replica].is_alive() || self.mended {
            return;
        }
        let call = Call::begin(&self.plan, self.now, &mut self.chance);
        let ticket = self.count;
        if !self.begin(replica, call) {
            let life = self.replicas[replica].life;
            self.replicas[replica].waiting.insert(ticket, call);
            self.after(PATIENCE, Event::GivesUp(replica, life, ticket));
        }
        self.pump(replica);
    }

    /// Whether there is enough for it.
    fn begin(&mut self, replica: usize, mut call: Call) -> bool {
        let amount = self.plan.worst(call.maximum, self.now, self.defect);
        let long = call.ends_at - self.now;
        let at = self.time(replica);
        let wall = self.now + self.authority.skew;
        let Some(shares) = self.replicas[replica].hold(amount, at, wall, self.defect) else {
            return false;
        };
        call.ends_at = self.now + long.clamp(1, self.plan.longest);
        self.audit.figures.calls += 1;
        for share in &shares {
            self.audit.hold(share.place, amount);
        }
        self.note(&format_args!("holds {amount} of {shares:?}: {call:?}"));
        let paid = Box::new(Paid {
            replica,
            life: self.replicas[replica].life,
            amount,
            shares,
            call,
            held_at: at,
            sent_at: self.now,
        });
        match self.plan.strict {
            Some(_) => self.connect(paid),
            None => self.after(call.ends_at - self.now, Event::Ends(paid)),
        }
        true
    }

    /// All calls of a replica that are open are as dear as those that come.
    fn read(&mut self, replica: usize) {
        let (now, at) = (self.now, self.time(replica));
        let reader = &mut self.replicas[replica];
        reader.has_read = true;
        if !reader.is_alive() || self.defect == Some(Defect::LeavesOpenHoldsAtTheOldPrice) {
            return;
        }
        let of_replica = |event: &mut Event| match event {
            Event::Ends(paid) if paid.replica == replica && paid.life == reader.life => {
                let more = self.plan.worst(paid.call.maximum, now, self.defect) - paid.amount;
                paid.amount += more;
                for share in &mut paid.shares {
                    let owed = reader.raise(share, more, at);
                    self.audit.raise(share.place, more, owed);
                }
            }
            _ => {}
        };
        self.events.values_mut().for_each(of_replica);
        self.pump(replica);
    }

    /// Whether who made the call lives, and knows what it costs.
    fn has_heard(&self, paid: &Paid) -> bool {
        let replica = &self.replicas[paid.replica];
        let knows = self.plan.is_announced || replica.has_read;
        replica.is_alive() && replica.life == paid.life && knows
    }

    fn settle(&mut self, paid: Paid) {
        if self.replicas[paid.replica].life != paid.life || !self.replicas[paid.replica].is_alive()
        {
            return;
        }
        let at = self.time(paid.replica);
        let spent = match paid.call.heard {
            Heard::All => paid.call.bill(&self.plan),
            Heard::Unsent => 0,
            Heard::Cut(metered) if self.defect == Some(Defect::SettlesToMetered) => {
                metered * self.plan.price
            }
            Heard::Cut(_) => paid.amount,
            Heard::Absurd(usage) if usage < 0 => paid.amount,
            Heard::Absurd(usage) => usage,
        };
        for share in &paid.shares {
            let granted = paid.amount - share.owed;
            self.audit.settle(share.place, granted, spent);
        }
        self.replicas[paid.replica].settle(paid.shares, paid.call.heard, spent, at);
        self.pump(paid.replica);
    }

    /// Sends what the replica's ledger has to say, and lets those begin who wait for money.
    fn pump(&mut self, replica: usize) {
        if !self.replicas[replica].is_alive() || self.replicas[replica].stopped_until > self.now {
            return;
        }
        let waiting = std::mem::take(&mut self.replicas[replica].waiting);
        for (ticket, call) in waiting {
            if !self.begin(replica, call) {
                self.replicas[replica].waiting.insert(ticket, call);
            }
        }
        let at = self.time(replica);
        while let Some((from, sent, beside)) =
            self.replicas[replica].next(at, &mut self.chance, self.defect)
        {
            self.send(from, sent);
            if let Some(beside) = beside {
                let nobody = Ticket {
                    number: 0,
                    ..from.ticket
                };
                self.send(
                    From {
                        ticket: nobody,
                        ..from
                    },
                    Sent::Authority(beside),
                );
            }
            self.after(self.plan.time_out, Event::Silent(from));
        }
    }

    fn give_up(&mut self, replica: usize, life: u64, ticket: u64) {
        if self.replicas[replica].life != life {
            return;
        }
        if let Some(call) = self.replicas[replica].waiting.remove(&ticket) {
            let least = self.plan.worst(call.maximum, self.now, self.defect);
            self.audit.figures.refused += 1;
            if self.authority.left().is_none_or(|(_, left)| left >= least) {
                self.audit.figures.falsely += 1;
            }
        }
    }

    fn bills(&self) -> Result<(), Violation> {
        let is_strict = self.plan.strict.is_some();
        self.audit.bills(self.plan.limit, is_strict)
    }

    /// A replica's own time, which never goes back.
    fn time(&self, replica: usize) -> u64 {
        self.replicas[replica].time(self.now)
    }

    fn after(&mut self, long: i64, event: Event) {
        self.count += 1;
        self.events
            .insert((self.now + long.max(0), self.count), event);
    }

    fn note(&mut self, what: &dyn std::fmt::Debug) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>6} {what:?}", self.now));
        }
    }
}

impl Event {
    /// Whose event it is: a stopped replica notices nothing.
    fn of(&self) -> Option<usize> {
        match self {
            Self::Arrives(replica)
            | Self::Ticks(replica)
            | Self::GivesUp(replica, ..)
            | Self::Reads(replica) => Some(*replica),
            Self::Back(from, _) | Self::Silent(from) => Some(from.replica),
            Self::Sends(paid) | Self::Settles(paid) => Some(paid.replica),
            Self::Cuts(replica, _) => Some(*replica),
            _ => None,
        }
    }
}

const TICK: i64 = 100;

/// So long a call waits for money, in milliseconds.
pub(crate) const PATIENCE: i64 = 50;

/// Longer than the longest call, and than a ledger keeps what it does not need.
const QUIET: i64 = 20_000;
