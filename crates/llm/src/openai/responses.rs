//! OpenAI's responses: what callers ask in this form, and how they are answered.
//!
//! Nothing is kept from one request to the next, so whoever refers to an earlier response is told that this is not
//! done here. What a model thought goes out sealed in a reasoning item, and is read again from the next request.

mod answer;
mod ask;
mod content;
mod echo;
mod format;
mod include;
mod input;
mod item;
mod meter;
mod response;
mod seal;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

#[cfg(test)]
pub(crate) use self::meter::{Ends, ends};
pub(crate) use self::{
    answer::write_answer,
    ask::read_ask,
    meter::{stream_usage, usage},
    stream::StreamWriter,
};
