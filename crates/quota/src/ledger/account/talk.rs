use std::sync::Arc;

use tollgate_core::fact::{Cost, Mode};

use super::{
    Account, Demand, UNNAMED,
    exchange::{Ask, Content, Exchange, Purpose, Send, Ticket},
};
use crate::{
    bank::{self, Asker, Message, Order, Window},
    ledger::{
        claim::Key,
        pool::{Giver, Pool},
    },
};

impl Account {
    /// The message to send now, if there is one: one is under way at most. `draw` makes random bits.
    pub fn next_message(&mut self, now: u64, mut draw: impl FnMut() -> u128) -> Option<Send> {
        if self.exchange.is_none() {
            if self.is_stranded() {
                return None;
            }
            if self.outdated {
                self.outdated = false;
                self.introduced = false;
                self.disclaim();
                self.asker = Asker(draw());
                self.numbers = [0; 2];
            }
            let (content, purpose) = self.choose(now)?;
            self.begin(content, purpose, now);
        }
        let exchange = self.exchange.as_deref_mut()?;
        exchange.again_at.filter(|again_at| *again_at <= now)?;
        exchange.again_at = None;
        if let Content::Demand(bank::Demand::Lease { nonce, .. }) = &mut exchange.content {
            // Kept over a repetition, it would let a reserve that lost its memory in between be funded twice.
            *nonce = draw();
        }
        let ticket = exchange.ticket;
        let account = Arc::clone(&self.text);
        let Ticket { asker, number, .. } = ticket;
        let ask = match exchange.content.clone() {
            Content::Order(ask) => Ask::Authority(Message {
                account,
                asker,
                number,
                ask,
            }),
            Content::Demand(ask) => Ask::Reserve(Message {
                account,
                asker,
                number,
                ask,
            }),
        };
        Some(Send { ticket, ask })
    }

    /// When there may be a message to send, if nothing else happens.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<u64> {
        if let Some(exchange) = &self.exchange {
            return exchange.again_at;
        }
        if self.is_stranded() {
            return None;
        }
        if self.has_demand(now) || !self.debts.is_empty() {
            return Some(now.max(self.silent_until));
        }
        let reports = self.pools.iter().any(|pool| pool.unreported() > 0);
        let report = reports.then(|| self.reported.saturating_add(REPORT));
        let back = self.returnable(now).map(|(_, at)| at);
        [report, back]
            .into_iter()
            .flatten()
            .min()
            .map(|due| due.max(now).max(self.silent_until))
    }

    /// Makes what is free and what is not reported ready to be sent at once, for a ledger that is closed.
    pub fn hurry(&mut self) {
        self.is_hurried = true;
        self.demand = None;
        self.ahead = false;
    }

    /// Makes what is free ready to be sent at once, if nothing is open and nobody waits: others need the place.
    pub(crate) fn retire(&mut self) {
        let is_open = self.pools.iter().any(|pool| pool.open > 0);
        if !is_open && self.demand.is_none() && self.exchange.is_none() {
            self.hurry();
        }
    }

    /// Whether there is a reason to talk with the bank now.
    pub(crate) fn is_asking(&self, now: u64) -> bool {
        match &self.exchange {
            Some(exchange) => exchange.again_at.is_some(),
            None => {
                let has_reason = self.has_demand(now) || !self.debts.is_empty();
                has_reason && now >= self.silent_until && !self.is_stranded()
            }
        }
    }

    fn has_demand(&self, now: u64) -> bool {
        self.need()
            .is_some_and(|need| self.budget.mode != Mode::Hard || !self.is_dry(need.least, now))
    }

    /// What those who wait want; or if nobody does, what the next one may want.
    fn need(&self) -> Option<Demand> {
        let ahead = self.ahead.then(|| Demand {
            least: self.sizing.largest(),
            sum: 0,
        });
        self.demand.or(ahead)
    }

    fn begin(&mut self, content: Content, purpose: Purpose, now: u64) {
        let to_reserve = matches!(content, Content::Demand(_));
        let number = &mut self.numbers[usize::from(to_reserve)];
        *number += 1;
        let ticket = Ticket {
            asker: self.asker,
            to_reserve,
            number: *number,
        };
        self.exchange = Some(Box::new(Exchange {
            ticket,
            content,
            purpose,
            asked_at: now,
            tries: 0,
            again_at: Some(now),
        }));
    }

    /// What is most needed.
    fn choose(&mut self, now: u64) -> Option<(Content, Purpose)> {
        if now < self.silent_until {
            return None;
        }
        let report = self.report(now);
        let debt = self.debts.first().copied();
        let debt =
            debt.map(|(window, amount)| charge(window, amount, Purpose::Debt { window, amount }));
        if !self.introduced {
            if self.inherited.is_some() && debt.is_some() {
                return debt; // Its window was named to the same asker.
            }
            let needed =
                self.has_demand(now) || debt.is_some() || report.is_some() || self.is_unnamed();
            return match needed {
                true => Some(self.grant(now)),
                false => self.give_back(now),
            };
        }
        if debt.is_some() {
            return debt;
        }
        if let Some((pool, window, amount)) = report {
            self.reported = now;
            return Some(charge(window, amount, Purpose::Report { pool, amount }));
        }
        if self.has_demand(now) {
            return Some(match self.running.filter(|running| now < running.closes) {
                Some(running) if self.budget.mode == Mode::Hard => self.lease(running.window, now),
                _ => self.grant(now),
            });
        }
        if self.is_unnamed() {
            return Some(self.grant(now));
        }
        self.give_back(now)
    }

    /// Asks for money in an open window: of the reserve, if there is one that answers.
    fn lease(&mut self, window: Window, now: u64) -> (Content, Purpose) {
        let demand = self.need().unwrap_or_default();
        let limit = self.budget.limit.nanos();
        let least = demand.least;
        let wish = self.wish(now);
        let Some(front) = self
            .front
            .as_deref_mut()
            .filter(|front| now >= front.away_until)
        else {
            return self.grant(now);
        };
        if let Some((holder, window, amount)) = front.block.take() {
            let ask = bank::Demand::Fund {
                holder,
                window,
                amount,
            };
            return (Content::Demand(ask), Purpose::Fund);
        }
        if let Some(holder) = front.unfunded.take() {
            let block = wish.saturating_mul(LEASES).min(limit / SHARE).max(least);
            return (self.order(least, block), Purpose::Block { holder, least });
        }
        let ask = bank::Demand::Lease {
            window,
            holder: front.holder,
            seen: front.seen,
            nonce: 0, // drawn when it is sent
            least,
            wish,
        };
        (Content::Demand(ask), Purpose::Lease { least })
    }

    /// Asks the authority, which names the window, too.
    fn grant(&mut self, now: u64) -> (Content, Purpose) {
        let least = self
            .need()
            .filter(|_| self.budget.mode == Mode::Hard)
            .map_or(0, |demand| demand.least);
        let wish = if least > 0 { self.wish(now) } else { 0 };
        (self.order(least, wish), Purpose::Lease { least })
    }

    fn order(&self, least: i64, wish: i64) -> Content {
        Content::Order(Order::Grant {
            limit: self.budget.limit.max(Cost::default()),
            calendar: self.calendar(),
            least,
            wish,
        })
    }

    /// Whether it is the second account of a strict budget.
    pub(super) fn is_odd(&self) -> bool {
        Key::of(&self.text).is_some_and(|key| key.is_odd)
    }

    fn wish(&mut self, now: u64) -> i64 {
        let demand = self.need().unwrap_or_default();
        if self.scarce {
            return demand.least;
        }
        self.sizing.wish(demand.least, demand.sum, now)
    }

    /// Whether something was counted before the authority named its window.
    fn is_unnamed(&self) -> bool {
        self.pools
            .iter()
            .any(|pool| pool.window == UNNAMED && pool.unreported() > 0)
    }

    /// A tally that has something to report, at most once a second.
    fn report(&self, now: u64) -> Option<(u32, u64, i64)> {
        let is_early = self.reported > 0 && now < self.reported.saturating_add(REPORT);
        if is_early && !self.is_hurried {
            return None;
        }
        let pool = self
            .pools
            .iter()
            .find(|pool| pool.unreported() > 0 && pool.window != UNNAMED)?;
        Some((pool.id, pool.window, pool.unreported()))
    }

    /// Destroys what is free and not needed, and says so to whom it came from. Where it goes is decided once.
    fn give_back(&mut self, now: u64) -> Option<(Content, Purpose)> {
        let (id, at) = self.returnable(now)?;
        let named = self.running.map(|running| running.window);
        let window = named.or(self.inherited).filter(|_| at <= now)?;
        let pool = self.pools.iter_mut().find(|pool| pool.id == id)?;
        let amount = pool.free();
        pool.granted -= amount;
        let giver = pool.giver;
        self.tidy();
        let content = match giver {
            Giver::Reserve(holder) => Content::Demand(bank::Demand::GiveBack {
                holder,
                window,
                amount,
            }),
            _ => {
                let window = window.number;
                Content::Order(Order::GiveBack { window, amount })
            }
        };
        Some((content, Purpose::GiveBack))
    }

    /// A pool that has something to give back, and when.
    pub(super) fn returnable(&self, now: u64) -> Option<(u32, u64)> {
        let window = match self.inherited {
            // It goes back to whom it came from, who knows best whether it is theirs.
            Some(window) => window.number,
            None => self.window(now).filter(|_| self.introduced)?,
        };
        let idle = match (self.is_hurried, self.scarce) {
            (true, _) => now,
            (_, true) => self.touched.saturating_add(SCARCE),
            _ => self.touched.saturating_add(IDLE),
        };
        let at = |pool: &Pool| match (pool.giver, self.front.as_deref()) {
            // It may have gone and come back under another name: in doubt it stays spent.
            (Giver::Reserve(holder), Some(front))
                if front.holder != Some(holder) && self.inherited.is_none() =>
            {
                None
            }
            (Giver::Reserve(_), Some(front)) => Some(idle.max(front.away_until)),
            (Giver::Reserve(_), None) => None,
            _ => Some(idle),
        };
        let free = self.pools_of(window).filter(|pool| pool.free() > 0);
        free.filter_map(|pool| Some((pool.id, at(pool)?)))
            .min_by_key(|(_, at)| *at)
    }
}

fn charge(window: u64, amount: i64, purpose: Purpose) -> (Content, Purpose) {
    (Content::Order(Order::Charge { window, amount }), purpose)
}

/// A block is so many leases.
const LEASES: i64 = 10;

/// A block is at most this part of the limit.
const SHARE: i64 = 100;

/// A tally is reported once in this time, in milliseconds.
const REPORT: u64 = 1_000;

/// Who has not held anything for so long gives back, in milliseconds.
pub(super) const IDLE: u64 = 4_000;

/// The same while little is left for everybody.
const SCARCE: u64 = 200;
