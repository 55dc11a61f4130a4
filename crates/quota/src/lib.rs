#![doc = include_str!("../README.md")]

mod clock;
mod concurrency;
mod gate;
mod identify;
mod layer;
mod policy;
mod quota;
mod rate;
mod store;

pub use self::{
    gate::{Permit, QuotaGate},
    identify::{ByPrincipal, Caller, Identify},
    layer::QuotaLayer,
    quota::Quota,
};
