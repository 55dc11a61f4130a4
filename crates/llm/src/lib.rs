#![doc = include_str!("../README.md")]

#[cfg(feature = "upstream")]
mod anthropic;
#[cfg(feature = "upstream")]
#[allow(dead_code, unused_imports)]
mod canon;
mod catalog;
mod dialect;
#[cfg(feature = "upstream")]
mod gemini;
#[cfg(feature = "upstream")]
#[allow(dead_code, unused_imports)]
mod halves;
mod inspect;
#[cfg(feature = "upstream")]
#[allow(dead_code, unused_imports)]
mod json;
#[cfg(feature = "upstream")]
mod meter;
#[allow(dead_code, unused_imports)]
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
