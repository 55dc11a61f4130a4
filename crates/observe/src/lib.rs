#![doc = include_str!("../README.md")]

mod body;
mod bounded;
mod layer;
mod meters;
mod names;
mod observation;
mod request_id;
mod series;
mod service;
mod span;

pub use self::{
    body::Observed,
    layer::ObserveLayer,
    names::describe,
    request_id::{RequestId, RequestIdLayer, RequestIds},
    service::{ObserveService, ResponseFuture},
};
