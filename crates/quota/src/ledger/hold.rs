use std::{fmt, sync::Arc};

use smallvec::SmallVec;
use tollgate_core::fact::{Cost, Lifetime};

use super::{Ledger, pool::Part, table::Entry};

/// Money that is held for a call, in each of its budgets. It is settled once: by [`settle`](Self::settle), or when it is
/// dropped. Then it is released if the call was not [sent](Self::mark_sent), else all of it is spent.
#[must_use = "what is held is released when this is dropped"]
pub struct Hold {
    ledger: Ledger,
    shares: Shares,
    amount: Cost,
    lifetime: Option<Lifetime>,
    is_sent: bool,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settlement {
    /// It was not sent: nothing was spent. Of a call that was sent, all is.
    Released,
    /// This was spent. What is below zero is not believed: all is spent.
    Known(Cost),
    /// Nobody knows: all is spent.
    Whole,
}

/// More was spent than was held: the provider has passed its bound. It counts, whatever is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overrun {
    /// What was held.
    pub held: Cost,
    /// What was spent.
    pub spent: Cost,
    /// What was not covered by what was granted, in the budget where that is most.
    pub debt: Cost,
}

/// A part of a hold in an account.
pub(super) struct Share {
    pub(super) entry: Arc<Entry>,
    pub(super) part: Part,
    /// For which of the claimed accounts it is.
    pub(super) number: usize,
}

/// The parts of one account stand together.
pub(super) type Shares = SmallVec<[Share; 4]>;

impl Hold {
    pub(super) const fn new(
        ledger: Ledger,
        shares: Shares,
        amount: Cost,
        lifetime: Option<Lifetime>,
    ) -> Self {
        Self {
            ledger,
            shares,
            amount,
            lifetime,
            is_sent: false,
        }
    }

    /// How much is held, in each budget.
    #[must_use]
    pub const fn amount(&self) -> Cost {
        self.amount
    }

    /// How long the call may live, if a strict budget pays for it: what is sent later, or not cut off in time, may touch a
    /// window that it is not paid from.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Lifetime> {
        self.lifetime
    }

    /// Says that the first byte is about to be sent: from here on, nothing is released.
    pub const fn mark_sent(&mut self) {
        self.is_sent = true;
    }

    /// Whether it was said that it is sent.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Holds more in each budget, since the call has become dearer: this much in all. What is not here is charged to the
    /// budget, whatever it has left. Answers the most that was.
    pub fn raise(&mut self, amount: Cost) -> Cost {
        let more = amount.nanos().saturating_sub(self.amount.nanos());
        if more <= 0 {
            return Cost::default();
        }
        self.amount = amount;
        Cost::from_nanos(self.ledger.raise(&mut self.shares, more))
    }

    /// Settles to what was spent. Answers with what was too much: who spends it does not keep to its bound.
    pub fn settle(mut self, settlement: Settlement) -> Option<Overrun> {
        self.finish(settlement)
    }

    fn finish(&mut self, settlement: Settlement) -> Option<Overrun> {
        let held = self.amount.nanos();
        let spent = match settlement {
            Settlement::Released if !self.is_sent => 0,
            Settlement::Known(cost) if cost.nanos() >= 0 => cost.nanos(),
            Settlement::Released | Settlement::Known(_) | Settlement::Whole => held,
        };
        let debt = self.ledger.settle(std::mem::take(&mut self.shares), spent);
        if spent <= held {
            return None;
        }
        Some(Overrun {
            held: self.amount,
            spent: Cost::from_nanos(spent),
            debt: Cost::from_nanos(debt),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.shares.is_empty() {
            self.finish(Settlement::Released);
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("amount", &self.amount)
            .field("is_sent", &self.is_sent)
            .finish_non_exhaustive()
    }
}
