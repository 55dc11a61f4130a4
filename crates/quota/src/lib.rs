#![doc = include_str!("../README.md")]

pub mod bank;
mod budget;
mod clock;
mod concurrency;
mod gate;
mod identify;
mod layer;
mod policy;
mod quota;
mod rate;
mod rate_store;
mod store;
pub mod usage;

pub use self::{
    bank::Bank,
    budget::Budget,
    gate::{Permit, QuotaGate},
    identify::{ByPrincipal, Caller, Identify},
    layer::QuotaLayer,
    quota::Quota,
    rate_store::{Correction, Rate, RateAccount, RateStore, Remaining, Take, Taken},
};
