use tollgate_core::fact::Usage;

use super::{Losses, Names};

/// Texts to be turned into vectors, in no dialect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EmbedAsk {
    pub(crate) model: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) dimensions: Option<u64>,
    /// Gemini's `taskType`.
    pub(crate) task: Option<String>,
    pub(crate) names: &'static Names,
    pub(crate) losses: Losses,
}

/// The vectors, in the order of the texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EmbedAnswer {
    pub(crate) model: String,
    pub(crate) vectors: Vec<Vec<f32>>,
    pub(crate) usage: Option<Usage>,
}
