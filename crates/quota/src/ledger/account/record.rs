use std::sync::Arc;

use tollgate_core::fact::{Cost, Period};

use super::{Account, Pool};
use crate::{
    Budget,
    bank::{Asker, Holder, Window},
    ledger::pool::Giver,
};

/// What a successor needs to go on in an account's place: who it was to the bank, and what it could still spend.
///
/// A record may be older than the account, as long as it says no more. The successor is then like the account itself, had it
/// destroyed the difference and not heard the answer to its last message. So a record has to be made anew
/// - before money that it calls free is held, and so before the first byte of a call;
/// - before a message is sent, as that uses up a number, and may give back what the record calls free.
///
/// What is settled, and what an answer brings, only adds to what is free, and takes from what is owed: that is recorded with the
/// next hold or message. A debt may so be told twice, which strands money and forgives nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    pub(crate) asker: Asker,
    /// The last numbers that it used, to the authority and to the reserve.
    pub(crate) numbers: [u64; 2],
    /// The window that the money is of.
    pub(crate) window: Window,
    /// Free, of what came from the authority or goes back there.
    pub(crate) free: i64,
    /// Free, of what a holder in the reserve lent.
    pub(crate) lent: Option<(Holder, i64)>,
    /// Spent beyond what was granted, and not known to be booked.
    pub(crate) owed: i64,
}

impl Account {
    /// What there is to record; nothing if a successor would have nothing of it.
    pub(crate) fn record(&self) -> Option<Record> {
        let running = self.running.filter(|_| self.introduced);
        let window = running.map(|running| running.window).or(self.inherited)?;
        let (mut free, mut lent) = (0_i64, None);
        for pool in self.pools_of(window.number).filter(|pool| pool.free() > 0) {
            match pool.giver {
                Giver::Reserve(holder) => lent = Some((holder, pool.free())),
                _ => free = free.saturating_add(pool.free()),
            }
        }
        let debts = self.debts.iter();
        let owed = debts
            .filter(|(owed, _)| *owed == window.number)
            .fold(0_i64, |sum, (_, debt)| sum.saturating_add(*debt));
        (free > 0 || lent.is_some() || owed > 0).then_some(Record {
            asker: self.asker,
            numbers: self.numbers,
            window,
            free,
            lent,
            owed,
        })
    }

    /// The successor of an account whose process is dead. Nothing of it is held before the authority has answered to the old
    /// asker: one that does not know it, such as another database, has not granted this money.
    pub(crate) fn inherit(text: Arc<str>, record: Record, with_reserve: bool, now: u64) -> Self {
        // Taken on from the first who holds something. Until then nothing is asked for, so nobody is told of it.
        let budget = Budget::hard(Cost::default(), Period::Total);
        let mut account = Self::new(text, budget, record.asker, with_reserve);
        account.numbers = record.numbers;
        account.inherited = Some(record.window);
        account.is_unused = true;
        account.touched = now;
        let own = (record.free > 0).then_some((Giver::Authority, record.free));
        let lent = record
            .lent
            .map(|(holder, amount)| (Giver::Reserve(holder), amount));
        for (giver, amount) in own.into_iter().chain(lent) {
            account.pool(record.window.number, giver).granted = amount;
        }
        if record.owed > 0 {
            account.owe(record.window.number, record.owed);
        }
        account
    }

    /// Whether it owes what the dead process cannot tell any more. In its own name it can ask for nothing before somebody holds:
    /// it does not know the budget.
    pub(super) fn is_stranded(&self) -> bool {
        self.outdated && self.is_unused && !self.debts.is_empty()
    }

    /// Lets go of what was inherited: it stays spent. What is owed is told all the same.
    pub(super) fn disclaim(&mut self) {
        if let Some(window) = self.inherited.take() {
            let is_inherited =
                |pool: &Pool| pool.window == window.number && pool.giver != Giver::Tally;
            self.pools.retain(|pool| !is_inherited(pool));
        }
    }
}
