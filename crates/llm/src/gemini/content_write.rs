use std::{borrow::Cow, collections::HashMap};

use super::{
    signature::SKIP,
    thinking::Generation,
    wire::{Blob, Content, File, FunctionCall, FunctionResponse, Part, Response, args_or_wrapped},
};
use crate::{
    Dialect,
    canon::{self, Ask, Losses, Media, Role, Source, Turn},
};

/// Writes the instructions above a conversation.
pub(super) fn system<'a>(ask: &'a Ask, losses: &mut Losses) -> Option<Content<'a>> {
    let mut parts = Vec::with_capacity(ask.system.len());
    for part in &ask.system {
        if let canon::Part::Text { text, cached } = part {
            if *cached {
                losses.hint(format!("{}.cache_control", ask.names.system));
            }
            parts.extend((!text.is_empty()).then(|| Part::text(text)));
        }
    }
    (!parts.is_empty()).then_some(Content { parts, role: None })
}

/// Writes a conversation. Turns of one role become one content: Google wants the results of all calls of a turn in
/// the content after it.
pub(super) fn contents<'a>(ask: &'a Ask, model: &str, losses: &mut Losses) -> Vec<Content<'a>> {
    let mut writer = Writer {
        ask,
        generation: Generation::of(model),
        functions: HashMap::new(),
        losses,
    };
    let mut contents: Vec<Content<'a>> = Vec::with_capacity(ask.turns.len());
    for turn in &ask.turns {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "model",
        };
        let parts = writer.parts(turn);
        match contents.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.extend(parts),
            _ if parts.is_empty() => {} // A content without parts is refused.
            _ => contents.push(Content {
                parts,
                role: Some(role),
            }),
        }
    }
    if writer.generation.signs_calls() {
        contents.iter_mut().for_each(excuse);
    }
    contents
}

/// Calls that another model made have no signature, and models that insist on one take this instead. They look at the
/// first call of a content.
fn excuse(content: &mut Content<'_>) {
    let mut calls = content.parts.iter_mut();
    if let Some(first) = calls.find(|part| part.function_call.is_some()) {
        first.thought_signature.get_or_insert(Cow::Borrowed(SKIP));
    }
}

struct Writer<'a, 'l> {
    ask: &'a Ask,
    generation: Generation,
    /// The names of the functions that were called, by the ids of the calls.
    functions: HashMap<&'a str, &'a str>,
    losses: &'l mut Losses,
}

impl<'a> Writer<'a, '_> {
    fn parts(&mut self, turn: &'a Turn) -> Vec<Part<'a>> {
        let mut parts = Vec::with_capacity(turn.parts.len());
        let mut found = Vec::new();
        for part in &turn.parts {
            match part {
                canon::Part::Text { text, cached } => {
                    self.mark(*cached, turn);
                    parts.extend((!text.is_empty()).then(|| Part::text(text)));
                }
                canon::Part::Refusal(text) => parts.push(Part::text(text)),
                canon::Part::Media(media) => parts.extend(self.media(media, turn)),
                canon::Part::ToolCall {
                    id,
                    name,
                    arguments,
                    signature,
                    cached,
                } => {
                    self.mark(*cached, turn);
                    if canon::can_be_repeated(name) {
                        self.functions.insert(id, name);
                    }
                    let call = FunctionCall {
                        id,
                        name,
                        args: args_or_wrapped(arguments),
                    };
                    let own = signature.as_ref().filter(|it| it.origin == Dialect::Gemini);
                    parts.push(Part::call(call, own));
                }
                canon::Part::ToolResult {
                    id,
                    name,
                    content,
                    is_error,
                    cached,
                } => {
                    self.mark(*cached, turn);
                    let (text, media) = self.content(content, turn);
                    let mut response = FunctionResponse {
                        id,
                        name: self.function(id, name),
                        response: match is_error {
                            false => Response::Result(text),
                            true => Response::Error(text),
                        },
                        parts: Vec::new(),
                    };
                    if self.generation.signs_calls() {
                        response.parts = media;
                    } else {
                        found.extend(media);
                    }
                    parts.push(Part {
                        function_response: Some(response),
                        ..Part::default()
                    });
                }
                canon::Part::Thinking {
                    text,
                    signature: Some(signature),
                } if signature.origin == Dialect::Gemini => {
                    let signature = Some(Cow::Borrowed(&*signature.value));
                    parts.push(Part::thought(text, signature));
                }
                // Nobody but its provider wants it back.
                canon::Part::Thinking { .. } | canon::Part::Redacted(_) => {}
            }
        }
        parts.extend(found); // Beside the results, where a result cannot hold them.
        parts
    }

    /// The function that a result is from; Google wants to know, where others only say the id.
    fn function(&self, id: &'a str, name: &'a str) -> &'a str {
        if name.is_empty() {
            self.functions.get(id).copied().unwrap_or(id)
        } else {
            name
        }
    }

    fn content(
        &mut self,
        content: &'a [canon::Part],
        turn: &Turn,
    ) -> (Cow<'a, str>, Vec<Part<'a>>) {
        let (mut text, mut media) = (Cow::Borrowed(""), Vec::new());
        for part in content {
            match part {
                canon::Part::Text { text: next, cached } => {
                    self.mark(*cached, turn);
                    if text.is_empty() {
                        text = Cow::Borrowed(next);
                    } else {
                        let text = text.to_mut();
                        text.push('\n');
                        text.push_str(next);
                    }
                }
                canon::Part::Media(it) => media.extend(self.media(it, turn)),
                _ => {}
            }
        }
        (text, media)
    }

    fn media(&mut self, media: &'a Media, turn: &Turn) -> Option<Part<'a>> {
        self.mark(media.cached, turn);
        for (lost, name) in [
            (media.detail.is_some(), "detail"),
            (media.name.is_some(), "name"),
        ] {
            if lost {
                let turn = self.ask.names.turn(turn);
                self.losses.hint(format!("{turn}.{name}"));
            }
        }
        let mime_type = &*media.media_type;
        match &media.source {
            Source::Base64(data) if !mime_type.is_empty() => Some(Part {
                inline_data: Some(Blob { mime_type, data }),
                ..Part::default()
            }),
            Source::Url(file_uri) if self.reaches(file_uri) => Some(Part {
                file_data: Some(File {
                    mime_type,
                    file_uri,
                }),
                ..Part::default()
            }),
            Source::Base64(_) | Source::Url(_) => {
                self.losses.field(self.ask.names.turn(turn));
                None
            }
        }
    }

    /// Whether Google gets at an address: its own storage at any time, the public's with later models.
    fn reaches(&self, url: &str) -> bool {
        let own = [
            "gs://",
            "https://generativelanguage.googleapis.com/",
            "https://www.youtube.com/",
            "https://youtu.be/",
        ];
        own.iter().any(|start| url.starts_with(start))
            || (self.generation.fetches() && url.starts_with("https://"))
    }

    fn mark(&mut self, cached: bool, turn: &Turn) {
        if cached {
            let turn = self.ask.names.turn(turn);
            self.losses.hint(format!("{turn}.cache_control"));
        }
    }
}
