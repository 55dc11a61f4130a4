#![doc = include_str!("../README.md")]

mod account;
mod accounts;
mod away;
pub mod bank;
mod blocked;
mod booking;
mod bound;
mod bucket;
mod budget;
mod estimate;
mod gate;
mod gather;
mod layer;
mod ledger;
mod measures;
mod open;
mod permit;
mod policy;
mod quota;
mod rate_store;
mod rates;
mod refusal;
mod rule;
mod shared;
mod slots;
mod spent;
mod term;
pub mod usage;
mod want;

/// The ledger's parts without I/O, for a simulation.
#[doc(hidden)]
pub mod sim {
    pub use crate::ledger::{
        account::{Account, Ask, Figures, Send, Ticket},
        pool::{Giver, Part, Pool},
    };
}

pub use self::{
    account::Account,
    away::Away,
    bank::Bank,
    bound::Bound,
    budget::Budget,
    gate::{Deciding, QuotaGate},
    layer::QuotaLayer,
    ledger::{
        Claim, Hold, Holding, Journal, JournalError, Ledger, Overrun, Settlement, Short, State,
        Warning, Why,
    },
    measures::Measures,
    permit::Permit,
    quota::Quota,
    rate_store::{Correction, Rate, RateAccount, RateStore, Remaining, Take, Taken},
    rule::Rule,
};
