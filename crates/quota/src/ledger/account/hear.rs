use super::{
    Account, Dry, Running, UNNAMED,
    exchange::{Content, Exchange, Purpose, Ticket},
};
use crate::{
    bank::{Answer, Holder, Order, Reply, Window},
    ledger::pool::Giver,
};

impl Account {
    /// Applies the authority's answer, once. One to a message that is not awaited any more changes nothing: what it granted
    /// stays spent.
    pub fn answered(&mut self, ticket: Ticket, answer: Answer, now: u64) {
        let Some(exchange) = self.take(ticket) else {
            return;
        };
        let is_outdated = match &exchange.content {
            Content::Order(Order::Grant { calendar, .. }) => self.is_outdated(calendar),
            _ => false,
        };
        match (answer, exchange.purpose) {
            (
                Answer::Granted {
                    window,
                    amount,
                    left,
                    scarce,
                },
                purpose,
            ) => {
                if !self.name(window, exchange.asked_at, now) {
                    return;
                }
                self.refusals = 0;
                self.left = left;
                self.scarce = scarce;
                self.granted(window, amount.max(0), purpose, now);
            }
            (
                Answer::Spent { window, left },
                Purpose::Lease { least } | Purpose::Block { least, .. },
            ) => {
                if self.name(window, exchange.asked_at, now) {
                    self.left = left;
                    self.scarce = true;
                    self.dry = Some(Dry {
                        least,
                        until: now.saturating_add(DRY),
                    });
                    self.demand = None;
                    self.ahead = false;
                }
            }
            (Answer::Booked { left }, purpose) => self.booked(left, purpose),
            (Answer::Old, purpose) => self.refused(purpose, now),
            (Answer::Spent { .. }, _) => {}
        }
        if is_outdated {
            self.ask_anew(now);
        }
    }

    /// Applies the reserve's answer, once.
    pub fn replied(&mut self, ticket: Ticket, reply: Reply, now: u64) {
        let Some(exchange) = self.take(ticket) else {
            return;
        };
        match reply {
            Reply::Leased {
                holder,
                seq,
                amount,
                scarce,
            } => {
                self.meet(holder, seq);
                let window = self.running.map(|running| running.window);
                let is_lease = matches!(exchange.purpose, Purpose::Lease { .. });
                if let Some(window) = window.filter(|_| is_lease) {
                    self.scarce = scarce;
                    self.lend(window.number, Giver::Reserve(holder), amount.max(0), now);
                }
            }
            Reply::Unfunded { holder, seq } => {
                self.meet(holder, seq);
                if let Some(front) = &mut self.front {
                    front.unfunded = Some(holder);
                }
            }
            Reply::Stale => self.gone(),
            Reply::Old => self.outdated = true,
            Reply::Booked => {}
        }
    }

    /// There is no answer: the message may have been decided, or not. To the authority it is repeated, with the same number
    /// and content. The reserve is left alone for a while; what it may have lent stays spent.
    pub fn lost(&mut self, ticket: Ticket, now: u64) {
        let Some(exchange) = self
            .exchange
            .as_deref_mut()
            .filter(|exchange| exchange.ticket == ticket)
        else {
            return;
        };
        exchange.tries += 1;
        let is_lease = matches!(exchange.purpose, Purpose::Lease { .. });
        if ticket.to_reserve && (is_lease || exchange.tries >= TRIES) {
            self.exchange = None;
            if let Some(front) = &mut self.front {
                front.away_until = now.saturating_add(AWAY);
                front.unfunded = None;
            }
            return;
        }
        let wait = FIRST_WAIT << exchange.tries.min(7);
        exchange.again_at = Some(now.saturating_add(wait.min(LONGEST_WAIT)));
    }

    /// Whether the last message had no answer so far.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| exchange.tries > 0)
    }

    fn take(&mut self, ticket: Ticket) -> Option<Box<Exchange>> {
        self.exchange.take_if(|exchange| exchange.ticket == ticket)
    }

    /// Enters the window that the authority has named. Answers no if it is one that has passed: nothing of it is used.
    fn name(&mut self, window: Window, asked_at: u64, now: u64) -> bool {
        let rest = u64::try_from(window.ends_at.saturating_sub(window.now)).unwrap_or(0);
        let mut closes = match window.ends_at {
            i64::MAX => u64::MAX,
            _ => asked_at.saturating_add(rest),
        };
        let known = self.running.map(|running| running.window.number);
        if known.is_some_and(|number| window.number < number) {
            return false;
        }
        self.introduced = true;
        self.inherited = None;
        let mut counted = 0_i64;
        for pool in &mut self.pools {
            if pool.window == UNNAMED {
                pool.window = window.number;
                counted = counted.saturating_add(pool.spent);
            }
        }
        if known == Some(window.number) {
            // An authority whose clock was put back waits at the end of its window: it is not asked all the time. But the
            // gaps of a strict budget must not be longer than they are.
            if self.budget.strictness().is_none() {
                closes = closes.max(now.saturating_add(LEAST_WINDOW));
            }
            self.running = Some(Running { window, closes });
            return true;
        }
        self.running = Some(Running { window, closes });
        self.spent = counted;
        self.warned = false;
        self.dry = None;
        if let Some(front) = &mut self.front {
            front.holder = None;
            front.seen = 0;
            front.unfunded = None;
            front.block = None;
        }
        self.tidy();
        true
    }

    fn granted(&mut self, window: Window, amount: i64, purpose: Purpose, now: u64) {
        let front = self.front.as_deref_mut();
        match (purpose, front) {
            // The holder is one of the window that was running when it was asked for; `name` forgets it in another.
            (Purpose::Block { holder, .. }, Some(front)) if front.holder == Some(holder) => {
                front.block = Some((holder, window, amount));
            }
            _ => self.lend(window.number, Giver::Authority, amount, now),
        }
    }

    fn lend(&mut self, window: u64, giver: Giver, amount: i64, now: u64) {
        self.demand = None;
        self.ahead = false;
        if amount == 0 {
            return;
        }
        // Whoever waits for it is given the time to take it.
        self.touched = now;
        self.sizing.leased(amount);
        let pool = self.pool(window, giver);
        // What cannot be counted stays spent.
        pool.granted = pool.granted.checked_add(amount).unwrap_or(pool.granted);
    }

    fn booked(&mut self, left: i64, purpose: Purpose) {
        self.strikes = 0;
        match purpose {
            Purpose::Debt { window, amount } => {
                self.forgive(window, amount);
                if self.is_current(window) {
                    self.left = left;
                }
                self.fund(window);
            }
            Purpose::Report { pool, amount } => {
                if let Some(pool) = self.pools.iter_mut().find(|known| known.id == pool) {
                    pool.granted = pool.granted.saturating_add(amount);
                    let window = pool.window;
                    if self.is_current(window) {
                        self.left = left;
                    }
                }
                self.tidy();
            }
            Purpose::GiveBack => self.left = left,
            Purpose::Lease { .. } | Purpose::Block { .. } | Purpose::Fund => {}
        }
    }

    /// The authority does not know this asker any more, or refuses what it was asked.
    fn refused(&mut self, purpose: Purpose, now: u64) {
        self.outdated = true;
        let (window, amount) = match purpose {
            Purpose::Debt { window, amount } => (window, amount),
            Purpose::Report { pool, amount } => {
                match self.pools.iter().find(|known| known.id == pool) {
                    Some(pool) => (pool.window, amount),
                    None => return,
                }
            }
            _ => {
                self.refusals += 1;
                if self.refusals >= STRIKES {
                    // It is not asked for ever what it does not grant; whoever waits asks anew.
                    self.refusals = 0;
                    self.demand = None;
                    self.ahead = false;
                    self.silent_until = now.saturating_add(LONGEST_WAIT);
                }
                return;
            }
        };
        let is_inherited = self.inherited.is_some_and(|it| it.number == window);
        if self.is_current(window) || is_inherited {
            // It is still open, as far as is known, and is named to the next asker, who tells it again.
            self.strikes += 1;
            if self.strikes >= STRIKES {
                self.strikes = 0;
                self.silent_until = now.saturating_add(LONGEST_WAIT);
            }
            return;
        }
        // The authority books on windows that it has named to the asker, and names no window again that has ended. Nothing is
        // granted of it any more, so that nobody can overspend it.
        tracing::error!(
            account = &*self.text,
            window,
            nanos = amount,
            "what was spent of a window that has ended came too late for the bank's books"
        );
        match purpose {
            Purpose::Report { pool, .. } => {
                let known = self.pools.iter_mut().find(|known| known.id == pool);
                known
                    .into_iter()
                    .for_each(|pool| pool.granted = pool.granted.saturating_add(amount));
                self.tidy();
            }
            _ => self.forgive(window, amount),
        }
    }

    /// A debt is paid, as far as it was told.
    fn forgive(&mut self, window: u64, amount: i64) {
        for (owed, debt) in &mut self.debts {
            if *owed == window {
                *debt -= amount;
            }
        }
        self.debts.retain(|(_, debt)| *debt > 0);
    }

    /// What was held as a debt has been granted, once nothing is owed any more.
    fn fund(&mut self, window: u64) {
        if self.debts.iter().any(|(owed, _)| *owed == window) {
            return;
        }
        for pool in &mut self.pools {
            if pool.window == window && pool.giver == Giver::Owed {
                pool.giver = Giver::Authority;
            }
        }
        self.tidy();
    }

    /// A holder has answered: any other one is gone.
    fn meet(&mut self, holder: Holder, seq: u64) {
        if self
            .front
            .as_ref()
            .is_some_and(|front| front.holder.is_some_and(|known| known != holder))
        {
            self.gone();
        }
        let window = self.running.map(|running| running.window.number);
        for pool in &mut self.pools {
            if Some(pool.window) == window
                && matches!(pool.giver, Giver::Reserve(other) if other != holder)
            {
                pool.giver = Giver::Gone;
            }
        }
        if let Some(front) = &mut self.front {
            front.holder = Some(holder);
            front.seen = front.seen.max(seq);
        }
    }

    /// The holder that was known is gone.
    fn gone(&mut self) {
        let Some(front) = &mut self.front else {
            return;
        };
        let gone = front.holder.take();
        front.seen = 0;
        front.unfunded = None;
        front.block = None;
        for pool in &mut self.pools {
            if gone.is_some_and(|gone| pool.giver == Giver::Reserve(gone)) {
                pool.giver = Giver::Gone;
            }
        }
    }
}

/// The bank is not asked again for what it had not, for so long, in milliseconds.
const DRY: u64 = 250;

/// A reserve that does not answer is left alone for so long, in milliseconds.
const AWAY: u64 = 1_000;

/// What is told to a reserve that does not answer is told so often; then it stays spent.
const TRIES: u32 = 3;

/// Half of the first wait before a repetition, in milliseconds; then it doubles.
const FIRST_WAIT: u64 = 25;

/// The longest wait, in milliseconds.
const LONGEST_WAIT: u64 = 2_000;

/// A window that goes on after its end does so at least for so long, in milliseconds.
const LEAST_WINDOW: u64 = 1_000;

/// After so many refusals, each time of a new asker, the authority is left alone for the longest wait.
const STRIKES: u8 = 3;
