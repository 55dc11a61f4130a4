use crate::bank::Holder;

/// Money of one window from one giver: leases merge. What is open or spent never exceeds what is granted, except in a tally.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Names it in its account.
    pub id: u32,
    /// How many holds are open.
    pub open: u32,
    /// Its window.
    pub window: u64,
    /// Where it comes from.
    pub giver: Giver,
    /// What was granted and is not given back; in a tally, what has been reported.
    pub granted: i64,
    /// In open holds.
    pub held: i64,
    /// Settled.
    pub spent: i64,
}

/// Where the money of a pool comes from, and so where it can go back to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Giver {
    /// The authority.
    Authority,
    /// A holder in the reserve.
    Reserve(Holder),
    /// A holder that is known to be gone: what it lent goes back to the authority.
    Gone,
    /// Nobody: it is counted, and reported to the authority.
    Tally,
    /// Nobody yet: it is held beyond what was granted, and a debt. Once that is booked, it is the authority's; until then, none
    /// of it is free.
    Owed,
}

impl Pool {
    pub(crate) const fn new(id: u32, window: u64, giver: Giver) -> Self {
        Self {
            id,
            open: 0,
            window,
            giver,
            granted: 0,
            held: 0,
            spent: 0,
        }
    }

    /// What can still be held; nothing in a tally, or while it is owed.
    #[must_use]
    pub fn free(&self) -> i64 {
        match self.giver {
            Giver::Tally | Giver::Owed => 0,
            _ => self.unused(),
        }
    }

    /// What is spent and not yet reported; nothing where it was granted before.
    #[must_use]
    pub fn unreported(&self) -> i64 {
        match self.giver {
            Giver::Tally => self.spent.saturating_sub(self.granted),
            _ => 0,
        }
    }

    pub(crate) fn hold(&mut self, amount: i64) -> Part {
        self.held = self.held.saturating_add(amount);
        self.open += 1;
        Part {
            pool: self.id,
            amount,
        }
    }

    /// Closes a hold. Answers what is spent and does not fit.
    pub(crate) fn settle(&mut self, held: i64, spent: i64) -> i64 {
        self.held -= held;
        self.open -= 1;
        let fits = match self.giver {
            Giver::Tally => spent,
            _ => spent.min(self.unused()),
        };
        self.spent = self.spent.saturating_add(fits);
        spent - fits
    }

    fn unused(&self) -> i64 {
        (self.granted - self.held - self.spent).max(0)
    }
}

/// A part of a hold: so much from this pool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    pub(crate) pool: u32,
    pub(crate) amount: i64,
}

impl Part {
    /// How much it is.
    #[must_use]
    pub const fn amount(&self) -> i64 {
        self.amount
    }
}
