use serde_json::Value;
use tollgate_core::fact::Usage;

use super::{Fault, Finish, Signature};

/// What a stream says next, in no dialect. Choices are numbered from zero, tool calls from zero in their choice.
///
/// A reader gives, for each choice, the deltas of one block after the other as they come; those of different tool calls
/// may interleave. It gives `Start` first, each `Finish` after all else of its choice, and `Done` last, once the
/// provider has said that the stream is complete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Delta {
    Start {
        id: String,
        model: String,
        created: u64,
    },
    Text {
        choice: u32,
        text: String,
    },
    Thinking {
        choice: u32,
        text: String,
    },
    /// Ends the thinking before it.
    Signed {
        choice: u32,
        signature: Signature,
    },
    /// A whole block of thinking that only its provider can read.
    Redacted {
        choice: u32,
        signature: Signature,
    },
    Refusal {
        choice: u32,
        text: String,
    },
    /// A tool call begins.
    ToolCall {
        choice: u32,
        index: u32,
        id: String,
        name: String,
        signature: Option<Signature>,
    },
    /// A piece of a tool call's arguments, to be joined. A call without any has `{}`.
    Arguments {
        choice: u32,
        index: u32,
        json: String,
    },
    /// In OpenAI's form, `{"content": [..]}`.
    Logprobs {
        choice: u32,
        logprobs: Value,
    },
    Finish {
        choice: u32,
        finish: Finish,
    },
    /// The running total so far.
    Usage(Usage),
    /// The provider is still there.
    Ping,
    /// The provider failed in mid-stream; nothing follows.
    Failed(Fault),
    Done,
}
