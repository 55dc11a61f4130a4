#![doc = include_str!("../README.md")]

mod account;
mod accounts;
mod away;
pub mod bank;
mod booking;
mod bucket;
mod budget;
mod estimate;
mod gate;
mod gather;
mod layer;
mod ledger;
mod measures;
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
mod want;

pub use self::{
    account::Account,
    away::Away,
    bank::Bank,
    budget::Budget,
    gate::{Deciding, QuotaGate},
    layer::QuotaLayer,
    ledger::{Claim, Hold, Ledger, Settlement, Short, State, Why},
    measures::Measures,
    permit::Permit,
    quota::Quota,
    rate_store::{Correction, Rate, RateAccount, RateStore, Remaining, Take, Taken},
    rule::Rule,
};
