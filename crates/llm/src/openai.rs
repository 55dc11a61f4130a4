//! OpenAI's dialect: what is read, what is changed, and how errors look.

mod error;
mod peek;
#[cfg(feature = "upstream")]
#[allow(dead_code, unused_imports)]
pub(crate) mod responses;
#[cfg(feature = "upstream")]
mod usage;

#[cfg(feature = "upstream")]
pub(crate) use self::usage::{Answer, Chunk};
pub(crate) use self::{
    error::{error_event, error_json, rate_headers},
    peek::Peek,
};
