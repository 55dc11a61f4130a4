#![doc = include_str!("../README.md")]

#[cfg(feature = "upstream")]
mod anthropic;
#[cfg(feature = "upstream")]
#[allow(dead_code, unused_imports)]
mod canon;
mod catalog;
mod dialect;
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
// Only what sends requests changes their bodies.
#[cfg_attr(not(feature = "upstream"), allow(dead_code))]
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
