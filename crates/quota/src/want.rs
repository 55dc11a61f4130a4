use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_core::fact::{Measure, Mode};

use crate::{
    Away, Rate, RateAccount,
    account::AccountId,
    policy::{Left, Policy},
};

/// What a request wants of one account of one limit, and what became of it.
pub(crate) struct Want {
    pub(crate) policy: Arc<Policy>,
    pub(crate) id: AccountId,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    /// How much of a rate.
    pub(crate) cost: u64,
    pub(crate) taken: Taken,
    /// What is shown to the caller.
    pub(crate) left: Option<Left>,
    /// If several processes share it.
    pub(crate) shared: Option<Box<Shared>>,
}

pub(crate) type Wants = SmallVec<[Want; 2]>;

impl Want {
    /// The rate in memory.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let rate = self.policy.rate?;
        Some(match self.shared.as_deref() {
            Some(Shared {
                away: Away::LocalShare(among),
                ..
            }) => rate.share(*among),
            _ => rate,
        })
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Slot(u32),
    Rate,
    /// A rate of which an estimate is reserved.
    Tokens(Measure),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    Nothing,
    InMemory,
    InStore,
}

/// A rate in a store.
pub(crate) struct Shared {
    pub(crate) account: RateAccount,
    pub(crate) away: Away,
}
