//! OpenAI's dialect: what is read, what is changed, and how errors look.

mod error;
mod peek;
mod usage;

pub(crate) use self::{
    error::{error_event, error_json, rate_headers},
    peek::Peek,
    usage::{Answer, Chunk},
};
