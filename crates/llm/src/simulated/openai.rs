mod chat;
mod completions;
mod embeddings;
mod error;
mod items;
mod messages;
mod parts;
mod responses;
mod rules;

pub(crate) use self::{
    chat::Chat,
    completions::Completion,
    embeddings::{embeddings, vector},
    error::{azure, error, headers, model, models},
    items::items,
    messages::{messages, prompt},
    responses::Responses,
};
