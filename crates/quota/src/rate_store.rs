use std::{fmt, sync::Arc, time::Duration};

use crate::bank::Answering;

/// Where rates are kept that several processes share.
///
/// A request that is measured by several rates takes from all of them or from none. The rate is GCRA with weights: in any
/// time `t` no more than `burst + limit * t / window` is taken.
pub trait RateStore: fmt::Debug + Send + Sync + 'static {
    /// Takes from all of these, or from none. Answers in bounded time; an error means that the store is away.
    fn take(&self, takes: Vec<Take>) -> Answering<Taken>;

    /// Corrects what was taken, when it is known what was used. It is not waited for, and refuses nothing.
    fn correct(&self, corrections: Vec<Correction>);
}

/// Something to be taken from the rate of an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Take {
    /// Whose it is.
    pub account: RateAccount,
    /// How much there is.
    pub rate: Rate,
    /// How much is taken; at most the burst.
    pub cost: u64,
}

/// Which account of which limit. The parts may be any text.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RateAccount {
    /// Whose data it is; accounts of one tenant can be decided together.
    pub tenant: Arc<str>,
    /// The limit.
    pub limit: Arc<str>,
    /// The account.
    pub account: Arc<str>,
}

/// How much of something in how much time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rate {
    /// How much comes back in a window.
    pub limit: u64,
    /// The window.
    pub window: Duration,
    /// How much can be saved up.
    pub burst: u64,
}

/// What became of a take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Taken {
    /// All were taken. What is left of each, in their order.
    All(Vec<Remaining>),
    /// None was taken, for this one had too little.
    Short {
        /// Which of them, the one that takes longest.
        index: usize,
        /// What is left of it.
        remaining: u64,
        /// When there will be enough.
        wait: Duration,
    },
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Remaining {
    /// So much can be taken now.
    pub remaining: u64,
    /// When all of it is there again.
    pub reset: Duration,
}

/// A correction of what was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Correction {
    /// Whose it is.
    pub account: RateAccount,
    /// How much there is.
    pub rate: Rate,
    /// How much more was used; below zero, how much less.
    pub more: i64,
}
