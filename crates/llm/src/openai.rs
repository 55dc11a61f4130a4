//! OpenAI's dialect: what is read, what is changed, and how errors look.

#[cfg(feature = "upstream")]
pub(crate) mod chat;
#[cfg(feature = "upstream")]
mod chunks;
#[cfg(feature = "upstream")]
pub(crate) mod completions;
#[cfg(feature = "upstream")]
pub(crate) mod embeddings;
mod error;
#[cfg(feature = "upstream")]
mod fields;
#[cfg(feature = "upstream")]
mod function;
mod response_error;
#[cfg(feature = "upstream")]
pub(crate) mod responses;
#[cfg(feature = "upstream")]
mod usage;
#[cfg(feature = "upstream")]
mod write;

pub(crate) use self::{
    error::{error_event, error_json, rate_headers},
    response_error::error_event as response_error_event,
};
#[cfg(feature = "upstream")]
pub(crate) use self::{
    error::{read_error, write_fault},
    usage::{Answer, Chunk, usage},
};
