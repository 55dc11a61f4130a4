use std::borrow::Cow;

use serde_json::Value;

use super::{
    item::{Content, Item, Status, Summary},
    response::{Response, State, incomplete},
    seal,
};
use crate::canon::{Answer, Ask, Carried, Choice, Media, Part, Signature, Source};

/// Writes a whole response. It has one answer, so others are left out.
pub(crate) fn write_answer(answer: &Answer, ask: &Ask) -> Vec<u8> {
    let mut response = Response::to(ask);
    response.name(&answer.id, &answer.model, answer.created);
    let choice = answer.choices.first();
    let output = choice.map_or_else(Vec::new, |choice| items(choice, &response));
    let mut out = Vec::with_capacity(2048);
    let state = State::Ended(choice.map(|choice| &choice.finish));
    response.write(state, &output, answer.usage, &mut out);
    out
}

fn items<'a>(choice: &'a Choice, response: &Response) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = Vec::with_capacity(choice.parts.len());
    let mut logprobs = logprobs(choice.logprobs.as_ref());
    for part in &choice.parts {
        let index = items.len();
        let id = |prefix| response.item_id(prefix, index);
        match part {
            Part::Text { text, .. } => {
                let content = content(&mut items, response);
                match content.last_mut() {
                    // One text, as callers who parse it expect.
                    Some(Content::OutputText { text: said, .. }) => said.to_mut().push_str(text),
                    _ => content.push(Content::OutputText {
                        text: Cow::Borrowed(text),
                        annotations: [],
                        logprobs: std::mem::take(&mut logprobs),
                    }),
                }
            }
            Part::Refusal(refusal) => {
                content(&mut items, response).push(Content::Refusal {
                    refusal: Cow::Borrowed(refusal),
                });
            }
            Part::ToolCall {
                id: call_id,
                name,
                arguments,
                signature,
                ..
            } => {
                let id = id("fc");
                items.push(Item::FunctionCall {
                    call_id: call_id_of(call_id, signature.as_ref(), &id),
                    id,
                    status: Status::InProgress,
                    name: Cow::Borrowed(name),
                    arguments: match arguments.as_str() {
                        "" => Cow::Borrowed("{}"),
                        arguments => Cow::Borrowed(arguments),
                    },
                });
            }
            Part::Thinking { text, signature } => items.push(Item::Reasoning {
                id: id("rs"),
                summary: summary(text),
                encrypted_content: signature.as_ref().map(|it| seal::close(Some(text), it)),
            }),
            Part::Redacted(signature) => items.push(Item::Reasoning {
                id: id("rs"),
                summary: Vec::new(),
                encrypted_content: Some(seal::close(None, signature)),
            }),
            Part::Media(Media {
                source: Source::Base64(data),
                ..
            }) => items.push(Item::ImageGenerationCall {
                id: id("ig"),
                status: Status::InProgress,
                result: Cow::Borrowed(data),
            }),
            // A model gives no addresses, and what tools found is the caller's to say.
            Part::Media(_) | Part::ToolResult { .. } => {}
        }
    }
    for item in &mut items {
        item.end(Status::Completed);
    }
    if incomplete(&choice.finish).is_some()
        && let Some(last) = items.last_mut()
    {
        last.end(Status::Incomplete);
    }
    items
}

/// The content of the message that goes on, or of a new one.
fn content<'i, 'a>(items: &'i mut Vec<Item<'a>>, response: &Response) -> &'i mut Vec<Content<'a>> {
    if !matches!(items.last(), Some(Item::Message { .. })) {
        items.push(Item::message(response.item_id("msg", items.len())));
    }
    match items.last_mut() {
        Some(Item::Message { content, .. }) => content,
        _ => unreachable!("the last item is a message"),
    }
}

/// What the caller is to give back with the result: also the signature that belongs to the call.
pub(super) fn call_id_of<'a>(
    id: &'a str,
    signature: Option<&Signature>,
    item: &str,
) -> Cow<'a, str> {
    let id = match id {
        "" => Cow::Owned(item.to_owned()), // A call that cannot be named cannot be answered.
        id => Cow::Borrowed(id),
    };
    let Some(signature) = signature else {
        return id;
    };
    let carried = Carried {
        signature: Some(signature.clone()),
        thinking: Vec::new(),
    };
    Cow::Owned(carried.into_id(&id))
}

/// The list in `{"content": [..]}`.
pub(super) fn logprobs(logprobs: Option<&Value>) -> Vec<Value> {
    let list = logprobs.and_then(|logprobs| logprobs["content"].as_array());
    list.cloned().unwrap_or_default()
}

fn summary(text: &str) -> Vec<Summary<'_>> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.into_iter()
        .map(|text| Summary { text: text.into() })
        .collect()
}
