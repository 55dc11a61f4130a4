//! OpenAI's dialect: what is read, what is changed, and how errors look.

mod error;
#[cfg(feature = "upstream")]
mod usage;

pub(crate) use self::error::{error_event, error_json, rate_headers};
#[cfg(feature = "upstream")]
pub(crate) use self::usage::{Answer, Chunk};
