use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    fault, finish,
    logprobs::LogprobsResult,
    partial::{Partial, Piece},
    signature::{google, standard},
    usage::usage,
};
use crate::{
    canon::{Answer, Choice, Fault, Finish, Kind, Media, Part, Source},
    halves::{self, Halves},
};

/// Reads a whole answer.
///
/// # Errors
/// If it is none, or the model failed.
pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, Fault> {
    let mut read: Body = halves::read(body).ok_or_else(unreadable)?;
    if read.error.is_some() {
        return Err(fault::told(body).unwrap_or_else(unreadable));
    }
    let mut candidates = read.candidates.take().unwrap_or_default();
    candidates.sort_by_key(|candidate| candidate.index); // Stable, so those without one stay in order.
    let mut choices = Vec::with_capacity(candidates.len().max(1));
    for candidate in candidates {
        choices.push(choice(candidate)?);
    }
    if choices.is_empty() {
        // A prompt that is refused is answered with 200, and without a candidate.
        read.is_blocked().then_some(()).ok_or_else(unreadable)?;
        choices.push(Choice {
            parts: Vec::new(),
            finish: Finish::Filtered,
            logprobs: None,
        });
    }
    Ok(Answer {
        id: read.response_id.unwrap_or_default(),
        model: read.model_version.unwrap_or_default(),
        created: 0,
        choices,
        usage: usage(body),
    })
}

fn choice(candidate: Candidate) -> Result<Choice, Fault> {
    let mut parts = Vec::new();
    let mut called = false;
    for part in candidate.content.unwrap_or_default().parts() {
        let signature = part.thought_signature.map(google);
        if let Some(text) = part.text.map(whole) {
            if part.thought == Some(true) {
                parts.push(Part::Thinking { text, signature });
            } else if !text.is_empty() {
                parts.push(Part::text(text));
            }
        } else if let Some(blob) = part.inline_data {
            parts.push(Part::Media(blob.media()));
        } else if let Some(call) = part.function_call
            && let Some(name) = call.name.filter(|name| !name.is_empty())
        {
            called = true;
            parts.push(Part::ToolCall {
                id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(new_id),
                name,
                arguments: arguments(call.args, call.partial_args)?,
                signature,
                cached: false,
            });
        }
    }
    let finish = match candidate.finish_reason {
        Some(reason) => finish::read(&reason, called, candidate.finish_message)?,
        None if parts.is_empty() => return Err(unreadable()),
        None if called => Finish::ToolCalls,
        None => Finish::Stop,
    };
    Ok(Choice {
        parts,
        finish,
        logprobs: candidate.logprobs_result.map(LogprobsResult::read),
    })
}

/// The arguments of a whole call. Halves of characters in it have no others to come.
pub(super) fn arguments(
    args: Option<Box<RawValue>>,
    pieces: Option<Vec<Piece>>,
) -> Result<String, Fault> {
    let args = args.filter(|args| args.get().starts_with('{'));
    if let Some(args) = args {
        return Ok(whole(Box::<str>::from(args).into_string()));
    }
    let mut partial = Partial::default();
    for piece in pieces.unwrap_or_default() {
        if !partial.add(piece) {
            return Err(unreadable());
        }
    }
    Ok(whole(partial.finish()))
}

/// A text of which nothing more comes.
pub(super) fn whole(mut text: String) -> String {
    let mut halves = Halves::default();
    halves.join(&mut text);
    text.extend(halves.finish());
    text
}

/// A name for a call of which its provider has none, as unlike others as chance makes it.
pub(super) fn new_id() -> String {
    let mut id = String::with_capacity(29);
    id.push_str("call_");
    id.extend(std::iter::repeat_with(fastrand::alphanumeric).take(24));
    id
}

pub(super) fn unreadable() -> Fault {
    Fault {
        kind: Kind::Internal,
        code: String::new(),
        message: "the provider's answer could not be read".to_owned(),
        param: None,
        retry_after: None,
    }
}

/// An answer, or one event of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) candidates: Option<Vec<Candidate>>,
    pub(super) prompt_feedback: Option<Feedback>,
    pub(super) model_version: Option<String>,
    pub(super) response_id: Option<String>,
    pub(super) error: Option<serde::de::IgnoredAny>,
}

impl Body {
    /// Whether the prompt was refused.
    pub(super) fn is_blocked(&self) -> bool {
        let reason = self.prompt_feedback.as_ref();
        reason.is_some_and(|feedback| feedback.block_reason.is_some())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    block_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) content: Option<Content>,
    pub(super) finish_reason: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) index: Option<u32>,
    pub(super) logprobs_result: Option<LogprobsResult>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Content {
    parts: Option<Vec<PartRead>>,
}

impl Content {
    pub(super) fn parts(self) -> Vec<PartRead> {
        self.parts.unwrap_or_default()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartRead {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    pub(super) function_call: Option<Call>,
    inline_data: Option<Blob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) args: Option<Box<RawValue>>,
    pub(super) partial_args: Option<Vec<Piece>>,
    pub(super) will_continue: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Blob {
    mime_type: String,
    data: String,
}

impl Blob {
    fn media(self) -> Media {
        Media {
            source: Source::Base64(standard(self.data)),
            media_type: self.mime_type,
            detail: None,
            name: None,
            cached: false,
        }
    }
}
