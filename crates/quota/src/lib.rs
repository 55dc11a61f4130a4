#![doc = include_str!("../README.md")]

pub mod bank;
mod budget;
mod clock;
mod concurrency;
mod gate;
mod identify;
mod layer;
mod ledger;
mod policy;
mod quota;
mod rate;
mod rate_store;
mod store;

/// The ledger's parts without I/O, for a simulation.
#[doc(hidden)]
pub mod sim {
    pub use crate::ledger::{
        account::{Account, Ask, Figures, Send, Ticket},
        pool::{Giver, Part, Pool},
    };
}

pub use self::{
    bank::Bank,
    budget::Budget,
    gate::{Permit, QuotaGate},
    identify::{ByPrincipal, Caller, Identify},
    layer::QuotaLayer,
    ledger::{Claim, Hold, Holding, Ledger, Overrun, Settlement, Short, State, Warning, Why},
    quota::Quota,
    rate_store::{Correction, Rate, RateAccount, RateStore, Remaining, Take, Taken},
};
