use std::borrow::Cow;

use crate::openai::responses::item::{Content, Item, Summary};

/// A part of an item that text is added to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    /// The item's index in the output.
    pub(super) item: usize,
    /// The part's index in the item.
    pub(super) part: usize,
}

/// What kind of text it is; each has events of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Thinking,
}

impl Block {
    /// Adds an empty part to the item.
    pub(super) fn begin(kind: Kind, item: usize, to: &mut Item<'static>) -> Self {
        let empty = Cow::Borrowed("");
        let part = match to {
            Item::Message { content, .. } => {
                content.push(match kind {
                    Kind::Refusal => Content::Refusal { refusal: empty },
                    _ => Content::text(empty),
                });
                content.len() - 1
            }
            Item::Reasoning { summary, .. } => {
                summary.push(Summary { text: empty });
                summary.len() - 1
            }
            _ => 0,
        };
        Self { kind, item, part }
    }

    /// Adds to the part's text.
    pub(super) fn push(&self, to: &mut Item<'static>, more: &str) {
        let text = match to {
            Item::Message { content, .. } => match &mut content[self.part] {
                Content::OutputText { text, .. } | Content::Refusal { refusal: text } => text,
            },
            Item::Reasoning { summary, .. } => &mut summary[self.part].text,
            _ => return,
        };
        text.to_mut().push_str(more);
    }
}

impl Kind {
    /// Whether it stands in a message.
    pub(super) const fn is_said(self) -> bool {
        !matches!(self, Self::Thinking)
    }

    /// What the ids of its items begin with.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "msg",
            Self::Thinking => "rs",
        }
    }

    /// An item for it, still empty.
    pub(super) const fn item(self, id: String) -> Item<'static> {
        match self {
            Self::Text | Self::Refusal => Item::message(id),
            Self::Thinking => Item::Reasoning {
                id,
                summary: Vec::new(),
                encrypted_content: None,
            },
        }
    }

    pub(super) const fn delta(self) -> &'static str {
        match self {
            Self::Text => "response.output_text.delta",
            Self::Refusal => "response.refusal.delta",
            Self::Thinking => "response.reasoning_summary_text.delta",
        }
    }

    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Text => "response.output_text.done",
            Self::Refusal => "response.refusal.done",
            Self::Thinking => "response.reasoning_summary_text.done",
        }
    }

    pub(super) const fn part_added(self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "response.content_part.added",
            Self::Thinking => "response.reasoning_summary_part.added",
        }
    }

    pub(super) const fn part_done(self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "response.content_part.done",
            Self::Thinking => "response.reasoning_summary_part.done",
        }
    }

    /// What its parts are numbered by, as it stands in an event.
    pub(super) const fn part_key(self) -> &'static [u8] {
        match self {
            Self::Text | Self::Refusal => b",\"content_index\":",
            Self::Thinking => b",\"summary_index\":",
        }
    }
}
