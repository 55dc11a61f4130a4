use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;
use tollgate_core::{
    Trail,
    fact::{Measure, Mode},
};

use crate::{
    Away, Correction, Rate, RateAccount,
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

    pub(crate) fn took(&mut self, taken: Taken, remaining: u64, reset: Option<Duration>) {
        self.taken = taken;
        self.left = Some(Left { remaining, reset });
        let most = self
            .policy
            .rate
            .map_or(self.policy.quota(), |rate| rate.burst);
        if self.mode == Mode::Soft && remaining < most / 5 {
            metrics::counter!("tollgate_quota_warnings_total", "limit" => Arc::clone(self.policy.name()))
                .increment(1);
        }
    }

    /// What is told to the store when it is known what was used.
    pub(crate) fn correction(&self, used: u64) -> Option<Correction> {
        let more = i128::from(used) - i128::from(self.cost);
        if more == 0 {
            return None;
        }
        let most = i128::from(i64::MAX);
        Some(Correction {
            account: self.shared.as_ref()?.account.clone(),
            rate: self.policy.rate?,
            more: i64::try_from(more.clamp(-most, most)).unwrap_or(0),
        })
    }
}

/// Tells what would have been refused if a limit did more than look on.
pub(crate) fn would_refuse(name: &Arc<str>, trail: Option<&Trail>) {
    metrics::counter!("tollgate_quota_would_refuse_total", "limit" => Arc::clone(name))
        .increment(1);
    if let Some(trail) = trail {
        trail.note("would_refuse", &**name);
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
