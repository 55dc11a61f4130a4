use serde_json::Value;
use tollgate_core::fact::Usage;

use super::Part;

/// A model's whole answer, in no dialect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The provider's name for it; empty if it has none.
    pub(crate) id: String,
    /// The model that answered, as the provider calls it.
    pub(crate) model: String,
    /// In Unix seconds; zero if the provider does not say.
    pub(crate) created: u64,
    /// One at least.
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Option<Usage>,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) parts: Vec<Part>,
    pub(crate) finish: Finish,
    /// In OpenAI's form, `{"content": [..]}`.
    pub(crate) logprobs: Option<Value>,
}

/// Why an answer ends. What is none of these is a fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Finish {
    /// It is complete.
    Stop,
    /// A stop sequence was met; which, if the provider says so.
    StopSequence(Option<String>),
    /// It is as long as it may be.
    Length,
    /// The conversation is as long as it may be.
    ContextWindow,
    /// Tools are to be called.
    ToolCalls,
    /// The model or its provider does not want to say it.
    Filtered,
    /// The provider rests; the caller may send the turn back to go on.
    Pause,
}
