#![doc = include_str!("../README.md")]

mod answer;
mod cache;
mod cache_control;
mod key;
mod layer;
mod policy;
mod recorded;
mod service;
mod slot;
mod storable;
mod store;
mod tenant;

pub use self::{
    layer::CacheLayer,
    policy::CachePolicy,
    recorded::Recorded,
    service::{CacheService, ResponseFuture},
    tenant::Tenant,
};

/// Says in each answer what the cache did: `hit`, `miss` or `bypass`.
const STATUS: http::HeaderName = http::HeaderName::from_static("x-tollgate-cache");

/// For that field, and those that layers further out add: a map of headers that grows in steps moves all it has.
const ROOM: usize = 16;
