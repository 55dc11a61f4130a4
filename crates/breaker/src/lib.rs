#![doc = include_str!("../README.md")]

mod breaker;
mod breakers;
mod classifier;
mod gate;
mod layer;
mod policy;
mod retry_after;
mod window;

pub use self::{
    breaker::{Breaker, Permission, Refusal, State},
    classifier::{Class, Classifier, Standard},
    gate::{BreakerGate, Guard},
    layer::{BreakerLayer, ByTarget},
    policy::BreakerPolicy,
};
