use crate::Dialect;

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// The caller; also what its tools found.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text {
        text: String,
        /// Whether the provider is to cache the prompt up to here.
        cached: bool,
    },
    /// An image, a document or a sound.
    Media(Media),
    /// The model calls a tool.
    ToolCall {
        id: String,
        name: String,
        /// JSON; an object, unless the model erred. Empty stands for no arguments.
        arguments: String,
        /// What its provider wants back with it.
        signature: Option<Signature>,
        /// Whether the provider is to cache the prompt up to here.
        cached: bool,
    },
    /// What a tool found; only in the caller's turns.
    ToolResult {
        /// The call's.
        id: String,
        /// The tool's; empty if the reader's dialect does not say and the call was not found.
        name: String,
        /// Text and media.
        content: Vec<Self>,
        is_error: bool,
        /// Whether the provider is to cache the prompt up to here.
        cached: bool,
    },
    /// What the model thought.
    Thinking {
        text: String,
        signature: Option<Signature>,
    },
    /// What the model thought, in a form that only its provider can read.
    Redacted(Signature),
    /// Why the model does not answer.
    Refusal(String),
}

impl Part {
    /// A text without marks.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            cached: false,
        }
    }

    /// What was thought, and is signed. Redacted thinking has no text.
    pub(crate) fn thought(text: Option<String>, signature: Signature) -> Self {
        match text {
            Some(text) => Self::Thinking {
                text,
                signature: Some(signature),
            },
            None => Self::Redacted(signature),
        }
    }
}

/// An image, a document or a sound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Media {
    pub(crate) source: Source,
    /// Such as `image/png`; empty if it is not known.
    pub(crate) media_type: String,
    /// OpenAI's `detail`, if it is not the default.
    pub(crate) detail: Option<String>,
    /// A document's name.
    pub(crate) name: Option<String>,
    /// Whether the provider is to cache the prompt up to here.
    pub(crate) cached: bool,
}

impl Media {
    /// Whether it is an image, as far as one can tell; an address without a type is taken for one.
    pub(crate) fn is_image(&self) -> bool {
        self.media_type.is_empty() || self.media_type.starts_with("image/")
    }
}

/// Where media are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// The bytes themselves, in base64 with the standard alphabet.
    Base64(String),
    Url(String),
}

/// What a provider wants back unchanged in the next turn, and only it understands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Signature {
    /// Whose it is. To others it means nothing, so they do not get it.
    pub(crate) origin: Dialect,
    pub(crate) value: String,
}
