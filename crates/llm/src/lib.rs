#![doc = include_str!("../README.md")]

#[cfg(feature = "batch")]
mod batch;
mod catalog;
mod dialect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
#[cfg(feature = "upstream")]
mod meter;
// Only what sends requests changes their bodies.
#[cfg_attr(not(feature = "upstream"), allow(dead_code))]
mod openai;
mod render;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod sse;
#[cfg(feature = "upstream")]
mod upstream;

#[cfg(feature = "batch")]
pub use self::batch::{Embeddings, EmbeddingsBatch};
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
