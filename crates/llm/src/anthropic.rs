//! Anthropic's dialect: messages, whole and as they come, their errors and their limits.

mod error;

#[cfg(feature = "upstream")]
mod answer_read;
#[cfg(feature = "upstream")]
mod answer_write;
#[cfg(feature = "upstream")]
mod ask_read;
#[cfg(feature = "upstream")]
mod ask_write;
#[cfg(feature = "upstream")]
mod block;
#[cfg(feature = "upstream")]
mod blocks_read;
#[cfg(feature = "upstream")]
mod blocks_write;
#[cfg(feature = "upstream")]
mod config_read;
#[cfg(feature = "upstream")]
mod count;
#[cfg(feature = "upstream")]
mod fault;
#[cfg(feature = "upstream")]
mod fields;
#[cfg(feature = "upstream")]
mod finish;
#[cfg(feature = "upstream")]
mod generation;
#[cfg(feature = "upstream")]
mod media;
#[cfg(feature = "upstream")]
mod names;
#[cfg(feature = "upstream")]
mod schema;
#[cfg(feature = "upstream")]
mod signature;
#[cfg(feature = "upstream")]
mod stream_read;
#[cfg(feature = "upstream")]
mod stream_write;
#[cfg(feature = "upstream")]
mod thinking;
#[cfg(feature = "upstream")]
mod usage;

#[cfg(all(test, feature = "upstream"))]
mod hostile;
#[cfg(all(test, feature = "upstream"))]
mod recorded;
#[cfg(all(test, feature = "upstream"))]
mod round_trip;

pub(crate) use self::error::{error_event, error_json, rate_headers};
#[cfg(feature = "upstream")]
pub(crate) use self::{
    answer_read::read_answer,
    answer_write::write_answer,
    ask_read::read_ask,
    ask_write::write_ask,
    count::{read_count, write_count, write_count_ask},
    fault::{read_error, write_fault},
    names::NAMES,
    stream_read::StreamReader,
    stream_write::StreamWriter,
    usage::{stream_usage, tells_output, usage},
};
