#![doc = include_str!("../README.md")]

mod catalog;
mod dialect;
mod inspect;
mod meter;
mod openai;
mod render;
#[cfg(feature = "simulated")]
pub mod simulated;
mod sse;
#[cfg(feature = "upstream")]
mod upstream;

#[cfg(feature = "upstream")]
pub use self::upstream::{
    Endpoint, EndpointError, StreamError, Upstream, UpstreamBody, UpstreamFuture,
};
pub use self::{
    catalog::{Catalog, CatalogFuture, CatalogLayer, CatalogService, Model},
    dialect::Dialect,
    inspect::{Inspect, InspectLayer},
    render::{RenderBody, RenderFuture, RenderLayer, RenderService},
    sse::EventBoundary,
};
