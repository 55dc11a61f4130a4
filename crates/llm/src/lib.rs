#![doc = include_str!("../README.md")]

mod catalog;
mod dialect;
mod inspect;
#[cfg(feature = "upstream")]
mod meter;
// Only what sends requests changes their bodies.
#[cfg_attr(not(feature = "upstream"), allow(dead_code))]
mod openai;
mod price;
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
    catalog::{Candidate, Catalog, CatalogFuture, CatalogLayer, CatalogService, Model},
    dialect::Dialect,
    inspect::{Inspect, InspectLayer},
    price::{
        Dollars, DollarsError, ModelInfo, ModelKind, Price, PriceError, Prices, Rates, TokenKind,
    },
    render::{RenderBody, RenderFuture, RenderLayer, RenderService},
    sse::EventBoundary,
};
