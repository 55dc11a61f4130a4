use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

/// An item of a response's output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<Content<'a>>,
    },
    FunctionCall {
        id: String,
        status: Status,
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
    },
    Reasoning {
        id: String,
        summary: Vec<Summary<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    ImageGenerationCall {
        id: String,
        status: Status,
        result: Cow<'a, str>,
    },
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    OutputText {
        text: Cow<'a, str>,
        annotations: [(); 0],
        logprobs: Vec<Value>,
    },
    Refusal {
        refusal: Cow<'a, str>,
    },
}

/// A part of what was thought.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct Summary<'a> {
    pub(super) text: Cow<'a, str>,
}

/// How far an item has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    /// The answer ends in the midst of it.
    Incomplete,
}

impl<'a> Item<'a> {
    /// A message without content.
    pub(super) const fn message(id: String) -> Self {
        Self::Message {
            id,
            status: Status::InProgress,
            role: "assistant",
            content: Vec::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::Reasoning { id, .. }
            | Self::ImageGenerationCall { id, .. } => id,
        }
    }

    /// How far it has come; what was thought does not tell.
    pub(super) const fn status(&mut self) -> Option<&mut Status> {
        match self {
            Self::Message { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::ImageGenerationCall { status, .. } => Some(status),
            Self::Reasoning { .. } => None,
        }
    }

    pub(super) const fn end(&mut self, how: Status) {
        if let Some(status) = self.status() {
            *status = how;
        }
    }
}

impl<'a> Content<'a> {
    pub(super) const fn text(text: Cow<'a, str>) -> Self {
        Self::OutputText {
            text,
            annotations: [],
            logprobs: Vec::new(),
        }
    }
}
