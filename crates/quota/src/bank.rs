//! Where hard budgets are kept: an [`Authority`] that remembers, and a [`Reserve`] in front of it that may forget.
//!
//! *What is granted is spent. Only its holder can give it back, once, after destroying it. A holder that lost its memory is a
//! new holder.* No clock, deadline or list of members takes part. A [`Ledger`](crate::Ledger) asks for leases and decides by
//! them in memory.
//!
//! Each message carries its asker and a number, which ascends; an asker has one message at most under way to each giver.
//! **An answer, yes or no, is final for its number**: the giver records it together with what it changes, repeats it for the
//! asker's last number, and refuses smaller ones ([`Answer::Old`]). To refuse a message is always safe. Amounts are in
//! nano-dollars; sums are checked, and what does not fit is refused.

#[doc(hidden)]
pub mod books;
pub mod calendar;
mod memory;
mod punctual;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tollgate_core::fact::Cost;

use self::calendar::Calendar;
pub use self::{memory::MemoryAuthority, punctual::Punctual};

/// A bank's answer on its way.
pub type Answering<A> = Pin<Box<dyn Future<Output = Result<A, BankError>> + Send>>;

/// The authority over budgets: what it has committed it never forgets.
pub trait Authority: fmt::Debug + Send + Sync + 'static {
    /// Decides, and commits what it decides, before it answers.
    fn ask(&self, message: Message<Order>) -> Answering<Answer>;
}

/// A faster giver in front of an [`Authority`], which may lose its memory at any time. It lends what was granted to it.
pub trait Reserve: fmt::Debug + Send + Sync + 'static {
    /// Decides.
    fn ask(&self, message: Message<Demand>) -> Answering<Reply>;
}

/// Something asked of a giver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message<T> {
    /// Which budget of which account; unique among all.
    pub account: Arc<str>,
    /// Who asks: 128 random bits, drawn anew by whoever has lost its memory.
    pub asker: Asker,
    /// Ascends with each message of an asker to a giver, from 1; a repetition has the same, and the same content.
    pub number: u64,
    /// What is asked.
    pub ask: T,
}

/// Who asks for leases.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Asker(pub u128);

impl Asker {
    /// A new one.
    ///
    /// # Panics
    /// When the system has no random numbers.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        Self(u128::from_le_bytes(bytes))
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asker({:032x})", self.0)
    }
}

/// What can be asked of an [`Authority`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// So much of the running window, or as much as there is, but not under the least. The authority names the window.
    /// Asked for nothing, it grants nothing, and tells which window is running and what is left of it.
    Grant {
        /// The most that may be granted in a window.
        limit: Cost,
        /// Which windows the account has.
        calendar: Calendar,
        /// Less than this is of no use.
        least: i64,
        /// More than this is not wanted.
        wish: i64,
    },
    /// This much is destroyed here, and free again.
    GiveBack {
        /// The window that it was granted from.
        window: u64,
        /// How much.
        amount: i64,
    },
    /// This much was spent beyond what was granted: it counts, whatever the limit, and if it is more than can be counted, it is
    /// the most that can be.
    Charge {
        /// The window that it was paid from.
        window: u64,
        /// How much.
        amount: i64,
    },
}

/// What an [`Authority`] answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// This much is the asker's, and spent for everybody else.
    Granted {
        /// The window that it is paid from.
        window: Window,
        /// How much.
        amount: i64,
        /// How much is left for everybody.
        left: i64,
        /// Little is left: keep nothing that is not needed.
        scarce: bool,
    },
    /// Not even the least is left.
    Spent {
        /// The window that has no more.
        window: Window,
        /// How much is left.
        left: i64,
    },
    /// What was given back or charged is booked.
    Booked {
        /// How much is left of that window; below zero if more was charged than there was.
        left: i64,
    },
    /// A later message of this asker has been answered, or this asker is not known any more. It has to be a new one.
    Old,
}

/// The window of a budget, as the authority names it. A closed one is never opened again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Window {
    /// Ascends with the windows of an account.
    pub number: u64,
    /// In milliseconds since 1970.
    pub starts_at: i64,
    /// In milliseconds since 1970; `i64::MAX` if it does not end.
    pub ends_at: i64,
    /// The authority's time when it answered, in milliseconds since 1970.
    pub now: i64,
}

/// What can be asked of a [`Reserve`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Demand {
    /// So much of what is funded, but not under the least.
    Lease {
        /// The window, as the authority has named it. Each has funds of its own.
        window: Window,
        /// The holder that the asker knows, if it knows one. Another one must not lend.
        holder: Option<Holder>,
        /// The highest `seq` that the asker has seen of this holder. One that is behind it has lost its memory.
        seen: u64,
        /// Drawn anew for every send, also of the same number: what names a holder that begins with this message.
        nonce: u128,
        /// Less than this is of no use.
        least: i64,
        /// More than this is not wanted.
        wish: i64,
    },
    /// A block that the authority has granted for this holder.
    Fund {
        /// Whom it was granted for.
        holder: Holder,
        /// The window of the block.
        window: Window,
        /// How much.
        amount: i64,
    },
    /// This much is destroyed here, and free again.
    GiveBack {
        /// Who has lent it.
        holder: Holder,
        /// The window that it was lent from.
        window: Window,
        /// How much.
        amount: i64,
    },
}

/// What a [`Reserve`] answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// This much is the asker's.
    Leased {
        /// Who lends it.
        holder: Holder,
        /// Ascends with all that this holder does.
        seq: u64,
        /// How much.
        amount: i64,
        /// Little is left.
        scarce: bool,
    },
    /// This holder has not enough: it needs a block. One that has just begun has nothing.
    Unfunded {
        /// Whom a block is to be granted for.
        holder: Holder,
        /// Ascends with all that this holder does.
        seq: u64,
    },
    /// What was funded or given back is booked.
    Booked,
    /// The holder is gone; another has taken its place.
    Stale,
    /// A later message of this asker has been answered.
    Old,
}

/// One memory of a [`Reserve`]: it ends when anything is lost.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Holder(pub u128);

/// There was no answer: it may have been decided, or not.
#[derive(Debug)]
#[non_exhaustive]
pub struct BankError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl BankError {
    /// For this reason.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for BankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bank did not answer")
    }
}

impl std::error::Error for BankError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// A [`Ledger`](crate::Ledger)'s source of money: an authority, and perhaps a reserve in front of it.
#[derive(Clone, Debug)]
pub struct Bank {
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) reserve: Option<Arc<dyn Reserve>>,
}

impl Bank {
    /// Leases come from the authority.
    pub fn new(authority: impl Authority) -> Self {
        Self {
            authority: Arc::new(authority),
            reserve: None,
        }
    }

    /// Leases come from the reserve, and blocks for it from the authority. While the reserve is away, leases come from the
    /// authority.
    #[must_use]
    pub fn with_reserve(mut self, reserve: impl Reserve) -> Self {
        self.reserve = Some(Arc::new(reserve));
        self
    }
}
