use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is asked of a model, as far as any layer needs to know.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Call {
    /// The kind of request.
    pub operation: Operation,
    /// The model, as the caller named it.
    pub model: Arc<str>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The most tokens that the answer may have, if the caller says so.
    pub max_output_tokens: Option<u64>,
    /// The most tokens that the input can have, if the request itself bounds it: what it refers to elsewhere, and what a
    /// provider counts by other things than text, has no such bound.
    pub max_input_tokens: Option<u64>,
    /// What can make the call dearer than its tokens, such as a tool that the provider runs and bills.
    pub surcharge: Option<&'static str>,
    /// Whom the caller calls for, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_user: Option<Arc<str>>,
    /// How many answers are asked for.
    pub choices: u32,
    /// Whether the provider keeps what the call leaves behind, so that later calls must go to the same place.
    pub stateful: bool,
    /// What a target must be able to do.
    pub abilities: Abilities,
}

impl Call {
    /// A call without options.
    pub fn new(operation: Operation, model: impl Into<Arc<str>>) -> Self {
        Self {
            operation,
            model: model.into(),
            stream: false,
            max_output_tokens: None,
            max_input_tokens: None,
            surcharge: None,
            end_user: None,
            choices: 1,
            stateful: false,
            abilities: Abilities::default(),
        }
    }
}

/// The kind of request, named as in OpenTelemetry's GenAI conventions.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A conversation is continued.
    Chat,
    /// A text is continued.
    TextCompletion,
    /// Texts are turned into vectors.
    Embeddings,
    /// It is counted how long a conversation is.
    CountTokens,
    /// Models are listed.
    Models,
}

impl Operation {
    /// The operation as a label, such as `chat`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
            Self::Models => "models",
        }
    }
}

/// What a call needs of a target, or a target can do. What is not named is not needed, or not there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// Calling tools.
    pub tools: bool,
    /// Seeing images.
    pub images: bool,
    /// Answering in a JSON schema.
    pub json_schema: bool,
}

impl Abilities {
    /// Whether all of these are there.
    #[must_use]
    pub const fn cover(self, needed: Self) -> bool {
        (self.tools || !needed.tools)
            && (self.images || !needed.images)
            && (self.json_schema || !needed.json_schema)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            images: self.images || other.images,
            json_schema: self.json_schema || other.json_schema,
        }
    }

    /// What is here and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            tools: self.tools && !other.tools,
            images: self.images && !other.images,
            json_schema: self.json_schema && !other.json_schema,
        }
    }

    /// The names of those that are there.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("tools", self.tools),
            ("images", self.images),
            ("json_schema", self.json_schema),
        ];
        all.into_iter()
            .filter_map(|(name, there)| there.then_some(name))
    }
}
