use serde::Serialize;

use super::{
    finish::{self, MALFORMED},
    logprobs::LogprobsResult,
    signature::{encode, encode_redacted},
    wire::{self, Blob, Content, FunctionCall, Part, UsageMetadata, args},
};
use crate::canon::{self, Answer, Ask, Choice, Finish, Source};

/// Writes a whole answer.
pub(crate) fn write_answer(answer: &Answer, ask: &Ask) -> Vec<u8> {
    let hidden = hides_thoughts(ask);
    let candidates = answer.choices.iter().zip(0..);
    wire::json(&Response {
        candidates: candidates
            .map(|(choice, index)| candidate(choice, index, hidden))
            .collect(),
        usage_metadata: answer.usage.as_ref().map(UsageMetadata::from),
        model_version: &answer.model,
        response_id: &answer.id,
    })
}

/// Whether the caller said that it does not want to see thoughts.
pub(super) fn hides_thoughts(ask: &Ask) -> bool {
    ask.reasoning.is_some_and(|it| it.shown == Some(false))
}

fn candidate(choice: &Choice, index: u32, hidden: bool) -> Candidate<'_> {
    let mut finish_reason = finish::write(&choice.finish);
    let mut parts = Vec::with_capacity(choice.parts.len());
    for part in &choice.parts {
        match part {
            canon::Part::Text { text, .. } | canon::Part::Refusal(text) => {
                parts.push(Part::text(text));
            }
            canon::Part::Thinking { text, signature } => {
                if !hidden || text.is_empty() {
                    parts.push(Part::thought(text, signature.as_ref().map(encode)));
                }
            }
            canon::Part::Redacted(signature) => {
                parts.push(Part::thought("", Some(encode_redacted(signature).into())));
            }
            canon::Part::ToolCall {
                id,
                name,
                arguments,
                signature,
                ..
            } => match args(arguments) {
                Some(args) => {
                    let args = std::borrow::Cow::Borrowed(args);
                    let call = FunctionCall { id, name, args };
                    parts.push(Part::call(call, signature.as_ref()));
                }
                // A call that was cut off is known by the limit.
                None if choice.finish == Finish::Length => {}
                None => finish_reason = MALFORMED,
            },
            canon::Part::Media(media) => {
                if let Source::Base64(data) = &media.source {
                    let mime_type = &*media.media_type;
                    parts.push(Part {
                        inline_data: Some(Blob { mime_type, data }),
                        ..Part::default()
                    });
                }
            }
            canon::Part::ToolResult { .. } => {} // Only callers say so.
        }
    }
    let role = Some("model");
    Candidate {
        content: (!parts.is_empty()).then_some(Content { parts, role }),
        finish_reason,
        index,
        logprobs_result: choice.logprobs.as_ref().and_then(LogprobsResult::of),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<UsageMetadata>,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    finish_reason: &'static str,
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs_result: Option<LogprobsResult>,
}
