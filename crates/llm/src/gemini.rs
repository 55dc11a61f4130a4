//! Gemini's dialect.
//!
//! The model stands in the path, and whether the answer is streamed too, so readers are told both.

#[cfg(feature = "upstream")]
mod answer_read;
#[cfg(feature = "upstream")]
mod answer_write;
#[cfg(feature = "upstream")]
mod ask_read;
#[cfg(feature = "upstream")]
mod ask_write;
#[cfg(feature = "upstream")]
mod config_read;
#[cfg(feature = "upstream")]
mod content_read;
#[cfg(feature = "upstream")]
mod content_write;
#[cfg(feature = "upstream")]
mod count;
#[cfg(feature = "upstream")]
mod embed;
mod error;
#[cfg(feature = "upstream")]
mod fault;
#[cfg(feature = "upstream")]
mod fields;
#[cfg(feature = "upstream")]
mod finish;
#[cfg(feature = "upstream")]
mod logprobs;
#[cfg(feature = "upstream")]
mod partial;
#[cfg(feature = "upstream")]
mod schema;
#[cfg(feature = "upstream")]
mod signature;
#[cfg(feature = "upstream")]
mod stream_read;
#[cfg(feature = "upstream")]
mod stream_write;
#[cfg(all(test, feature = "upstream"))]
mod tests;
#[cfg(feature = "upstream")]
mod thinking;
#[cfg(feature = "upstream")]
mod usage;
#[cfg(feature = "upstream")]
mod wire;

pub(crate) use self::error::{error_element, error_event, error_json};
#[cfg(feature = "upstream")]
pub(crate) use self::{
    answer_read::read_answer,
    answer_write::write_answer,
    ask_read::read_ask,
    ask_write::write_ask,
    count::{read_count, read_count_ask, write_count, write_count_ask},
    embed::{read_embed_answer, read_embed_ask, write_embed_answer, write_embed_ask},
    fault::{read_error, write_fault},
    stream_read::StreamReader,
    stream_write::StreamWriter,
    usage::{stream_usage, usage},
};
#[cfg(feature = "upstream")]
use crate::canon::Names;

/// What Gemini's callers call things.
#[cfg(feature = "upstream")]
pub(crate) static NAMES: Names = Names {
    system: "systemInstruction",
    turns: "contents",
    tools: "tools",
    tool_choice: "toolConfig.functionCallingConfig",
    parallel_tools: "toolConfig",
    max_output: "generationConfig.maxOutputTokens",
    temperature: "generationConfig.temperature",
    top_p: "generationConfig.topP",
    top_k: "generationConfig.topK",
    seed: "generationConfig.seed",
    presence_penalty: "generationConfig.presencePenalty",
    frequency_penalty: "generationConfig.frequencyPenalty",
    stop: "generationConfig.stopSequences",
    choices: "generationConfig.candidateCount",
    logprobs: "generationConfig.responseLogprobs",
    format: "generationConfig.responseMimeType",
    reasoning: "generationConfig.thinkingConfig",
    user: "labels",
};
