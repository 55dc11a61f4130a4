//! Between two dialects, by way of the one form.

mod stream;

use bytes::Bytes;
use http::StatusCode;
use tollgate_core::{Rejection, fact::Usage};

pub(crate) use self::stream::StreamTranslation;
use crate::{
    Dialect, anthropic,
    canon::{Ask, EmbedAsk, Fault, Kind, Losses, Target},
    dialect::Api,
    gemini,
    openai::{self, embeddings::Encoding},
};

/// A request that was asked in one form and goes on in another, and what is needed to put the answer back.
#[derive(Debug)]
pub(crate) struct Translation {
    front: Api,
    behind: Api,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Answer(Ask),
    /// How OpenAI's callers want them stands beside.
    Vectors(EmbedAsk, Encoding),
    Count(Ask),
}

impl Translation {
    /// Reads what is asked. The caller's name for the model stands in the path where the body does not say it.
    pub(crate) fn read(
        front: Api,
        behind: Api,
        model: &str,
        body: &[u8],
    ) -> Result<Self, Rejection> {
        let asked = match front {
            Api::Chat => Asked::Answer(openai::chat::read_ask(body)?),
            Api::Completions => Asked::Answer(openai::completions::read_ask(body)?),
            Api::Responses => Asked::Answer(openai::responses::read_ask(body)?),
            Api::Messages => Asked::Answer(anthropic::read_ask(body)?),
            Api::Generate => Asked::Answer(gemini::read_ask(body, model, false)?),
            Api::StreamGenerate { .. } => Asked::Answer(gemini::read_ask(body, model, true)?),
            Api::Embeddings => {
                let (ask, encoding) = openai::embeddings::read_embed_ask(body)?;
                Asked::Vectors(ask, encoding)
            }
            Api::Embed => {
                Asked::Vectors(gemini::read_embed_ask(body, model, false)?, Encoding::Float)
            }
            Api::BatchEmbed => {
                Asked::Vectors(gemini::read_embed_ask(body, model, true)?, Encoding::Float)
            }
            Api::CountTokens => Asked::Count(anthropic::read_ask(body)?),
            Api::CountContents => Asked::Count(gemini::read_count_ask(body, model)?),
            Api::Models(_) => return Err(untranslated(front, behind.dialect())),
        };
        Ok(Self {
            front,
            behind,
            asked,
        })
    }

    /// Lowers the most output that is asked for to what is allowed.
    pub(crate) fn limit(&mut self, allowed: u64) {
        if let Asked::Answer(ask) = &mut self.asked {
            let asked = ask.max_output.filter(|asked| *asked > 0); // No output is no limit to some.
            ask.max_output = Some(asked.map_or(allowed, |asked| asked.min(allowed)));
        }
    }

    /// What goes to the target, and what cannot be said there.
    pub(crate) fn request(&self, target: &Target<'_>) -> (Vec<u8>, Losses) {
        let mut losses = match &self.asked {
            Asked::Answer(ask) | Asked::Count(ask) => ask.losses.clone(),
            Asked::Vectors(ask, _) => ask.losses.clone(),
        };
        let losing = &mut losses;
        let body = match (&self.asked, self.behind.dialect()) {
            (Asked::Answer(ask), Dialect::OpenAi) => openai::chat::write_ask(ask, target, losing),
            (Asked::Answer(ask), Dialect::Anthropic) => anthropic::write_ask(ask, target, losing),
            (Asked::Answer(ask), Dialect::Gemini) => gemini::write_ask(ask, target, losing),
            (Asked::Vectors(ask, _), Dialect::Gemini) => {
                gemini::write_embed_ask(ask, target, losing)
            }
            (Asked::Vectors(ask, _), _) => {
                openai::embeddings::write_embed_ask(ask, target.model, losing)
            }
            (Asked::Count(ask), Dialect::Gemini) => gemini::write_count_ask(ask, target, losing),
            (Asked::Count(ask), _) => anthropic::write_count_ask(ask, target, losing),
        };
        (body, losses)
    }

    /// The answer in the caller's words, and what it used, if it says.
    pub(crate) fn answer(&self, body: &[u8]) -> Result<(Vec<u8>, Option<Usage>), Fault> {
        match &self.asked {
            Asked::Answer(ask) => {
                let answer = match self.behind.dialect() {
                    Dialect::OpenAi => openai::chat::read_answer(body)?,
                    Dialect::Anthropic => anthropic::read_answer(body)?,
                    Dialect::Gemini => gemini::read_answer(body)?,
                };
                let written = match self.front {
                    Api::Completions => openai::completions::write_answer(&answer, ask),
                    Api::Responses => openai::responses::write_answer(&answer, ask),
                    Api::Messages => anthropic::write_answer(&answer, ask),
                    Api::Generate | Api::StreamGenerate { .. } => {
                        gemini::write_answer(&answer, ask)
                    }
                    _ => openai::chat::write_answer(&answer, ask),
                };
                Ok((written, answer.usage))
            }
            Asked::Vectors(_, encoding) => {
                let answer = match self.behind.dialect() {
                    Dialect::Gemini => gemini::read_embed_answer(body)?,
                    _ => openai::embeddings::read_embed_answer(body)?,
                };
                let written = match self.front {
                    Api::Embed => gemini::write_embed_answer(&answer, false),
                    Api::BatchEmbed => gemini::write_embed_answer(&answer, true),
                    _ => openai::embeddings::write_embed_answer(&answer, *encoding),
                };
                Ok((written, answer.usage))
            }
            Asked::Count(_) => {
                let count = match self.behind.dialect() {
                    Dialect::Gemini => gemini::read_count(body),
                    _ => anthropic::read_count(body),
                };
                let count = count.ok_or_else(no_count)?;
                Ok((write_count(self.front, count), None))
            }
        }
    }

    /// A stream's events in the caller's words; nothing if it did not ask for a stream.
    pub(crate) fn stream(&self) -> Option<StreamTranslation> {
        match &self.asked {
            Asked::Answer(ask) if ask.stream => {
                Some(StreamTranslation::new(self.front, self.behind, ask))
            }
            _ => None,
        }
    }

    /// A fault in the caller's words.
    pub(crate) fn write_fault(&self, fault: &Fault) -> (StatusCode, Bytes) {
        match self.front.dialect() {
            Dialect::OpenAi => openai::write_fault(fault),
            Dialect::Anthropic => anthropic::write_fault(fault),
            Dialect::Gemini => gemini::write_fault(fault),
        }
    }
}

/// An answer that should be a number, and is none.
fn no_count() -> Fault {
    Fault {
        kind: Kind::Internal,
        code: "answer_invalid".to_owned(),
        message: "there is no count in the provider's answer".to_owned(),
        param: None,
        retry_after: None,
    }
}

/// What a provider says went wrong.
pub(crate) fn read_fault(dialect: Dialect, status: StatusCode, body: &[u8]) -> Fault {
    match dialect {
        Dialect::OpenAi => openai::read_error(status, body),
        Dialect::Anthropic => anthropic::read_error(status, body),
        Dialect::Gemini => gemini::read_error(status, body),
    }
}

/// An answer to a request for the length of a conversation.
pub(crate) fn write_count(front: Api, tokens: u64) -> Vec<u8> {
    match front {
        Api::CountContents => gemini::write_count(tokens),
        _ => anthropic::write_count(tokens),
    }
}

/// Refuses what the target's dialect has no form for.
pub(crate) fn untranslated(front: Api, dialect: Dialect) -> Rejection {
    let (what, name) = (front.operation().as_str(), dialect.as_str());
    let message = format!("the provider of this model ({name}) does not serve this ({what})");
    Rejection::new(StatusCode::BAD_REQUEST, "unsupported_operation", message)
}

/// Refuses a request that says what the target cannot be told.
pub(crate) fn lost(losses: &Losses, dialect: Dialect) -> Rejection {
    let names: Vec<String> = losses.fields().iter().map(|it| format!("`{it}`")).collect();
    let message = format!(
        "the provider of this model ({}) cannot be told: {}",
        dialect.as_str(),
        names.join(", ")
    );
    let first = losses.fields().first().map_or("", AsRef::as_ref);
    Rejection::new(StatusCode::BAD_REQUEST, "unsupported_parameter", message)
        .with_detail("param", first)
}
