use serde::Deserialize;
use tollgate_core::fact::Abilities;

use super::Price;

/// What is known of a provider's model; nothing where that is not known.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelInfo {
    /// What it is for.
    pub kind: Option<ModelKind>,
    /// What it costs.
    pub price: Option<Price>,
    /// How many tokens of input it takes.
    pub context_window: Option<u64>,
    /// How many tokens of output it gives.
    pub max_output: Option<u64>,
    /// What it can do. Where this is unknown, it is taken to be able.
    pub abilities: Option<Abilities>,
}

impl ModelInfo {
    /// Fills what is not known here with what is known there. A price is taken whole, so that no cost is made of the
    /// rates of two sources.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            kind: self.kind.or(other.kind),
            price: self.price.or_else(|| other.price.clone()),
            context_window: self.context_window.or(other.context_window),
            max_output: self.max_output.or(other.max_output),
            abilities: self.abilities.or(other.abilities),
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// It continues conversations and texts.
    Chat,
    /// It turns texts into vectors.
    Embeddings,
}
