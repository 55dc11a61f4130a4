use crate::bank::{self, Asker, Holder, Message, Order, Window};

/// A message to be sent to the bank. Its answer, or that there is none, is told under its ticket.
#[derive(Clone, Debug)]
pub struct Send {
    /// Which message it is.
    pub ticket: Ticket,
    /// To whom, and what.
    pub ask: Ask,
}

/// Which message of whom.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ticket {
    /// Who asks.
    pub asker: Asker,
    /// Whether it goes to the reserve.
    pub to_reserve: bool,
    /// Its number there.
    pub number: u64,
}

/// A message, by its recipient.
#[derive(Clone, Debug)]
pub enum Ask {
    /// To the authority.
    Authority(Message<Order>),
    /// To the reserve.
    Reserve(Message<bank::Demand>),
}

/// A message under way, or to be repeated.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) ticket: Ticket,
    pub(super) content: Content,
    pub(super) purpose: Purpose,
    /// When it was sent first: what an answer says of the time is not older.
    pub(super) asked_at: u64,
    pub(super) tries: u32,
    /// When it is to be sent again; absent while an answer is awaited.
    pub(super) again_at: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Order(Order),
    Demand(bank::Demand),
}

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Money for holds, at least so much.
    Lease { least: i64 },
    /// Money for a holder in the reserve, at least so much.
    Block { holder: Holder, least: i64 },
    /// That a holder hears of its block.
    Fund,
    /// That money is free again.
    GiveBack,
    /// That a debt is booked.
    Debt { window: u64, amount: i64 },
    /// That a tally's new spending is booked.
    Report { pool: u32, amount: i64 },
}

/// What is known of the reserve.
#[derive(Debug, Default)]
pub(super) struct Front {
    /// The holder of the running window, as far as is known.
    pub(super) holder: Option<Holder>,
    /// The highest `seq` seen of it.
    pub(super) seen: u64,
    /// It did not answer: it is left alone until then.
    pub(super) away_until: u64,
    /// The holder that needs a block.
    pub(super) unfunded: Option<Holder>,
    /// A block that was granted for a holder that has not heard of it.
    pub(super) block: Option<(Holder, Window, i64)>,
}
