#![doc = include_str!("../README.md")]

mod anthropic;
#[cfg(feature = "batch")]
mod batch;
#[cfg(feature = "bedrock")]
mod bedrock;
#[cfg(feature = "upstream")]
mod canon;
mod catalog;
mod dialect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gemini;
#[cfg(feature = "upstream")]
mod halves;
mod inspect;
#[cfg(feature = "upstream")]
mod json;
#[cfg(feature = "upstream")]
mod meter;
mod openai;
mod peek;
mod price;
mod quick;
mod render;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod sse;
#[cfg(feature = "upstream")]
mod tariff;
#[cfg(feature = "upstream")]
mod translate;
#[cfg(feature = "upstream")]
mod upstream;
mod wildcard;
mod worst;

#[cfg(feature = "batch")]
pub use self::batch::{Embeddings, EmbeddingsBatch};
#[cfg(feature = "bedrock")]
pub use self::bedrock::AwsCredentials;
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
    worst::{CallSize, WorstCase},
};
