#![doc = include_str!("../README.md")]

mod draft;
mod json;
mod layer;
mod log;
mod record;
mod sink;

pub use self::{
    layer::{AuditLayer, AuditObserver},
    log::Log,
    record::{AttemptRecord, Record},
    sink::{Batch, Sink},
};
