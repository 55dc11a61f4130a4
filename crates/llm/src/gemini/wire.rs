//! What is written, as it stands on the wire.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{json, value::RawValue};
use tollgate_core::fact::Usage;

use super::signature::encode;
use crate::canon::Signature;

#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    pub(super) parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    pub(super) mime_type: &'a str,
    pub(super) data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) mime_type: &'a str,
    pub(super) file_uri: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) args: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) response: Response<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part<'a>>,
}

/// What a function found. It must be an object, so a text is wrapped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Response<'a> {
    Result(Cow<'a, str>),
    Error(Cow<'a, str>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
}

impl<'a> Part<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    pub(super) fn thought(text: &'a str, signature: Option<Cow<'a, str>>) -> Self {
        Self {
            thought: true,
            thought_signature: signature,
            ..Self::text(text)
        }
    }

    pub(super) fn call(call: FunctionCall<'a>, signature: Option<&'a Signature>) -> Self {
        Self {
            function_call: Some(call),
            thought_signature: signature.map(encode),
            ..Self::default()
        }
    }
}

impl From<&Usage> for UsageMetadata {
    /// Google's prompt includes what was cached, and its candidates exclude the thoughts.
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_token_count: usage.total_input(),
            cached_content_token_count: usage.cache_read,
            candidates_token_count: usage.output.saturating_sub(usage.reasoning),
            thoughts_token_count: usage.reasoning,
            total_token_count: usage.total(),
        }
    }
}

/// Arguments, if they are the object that they must be.
pub(super) fn args(arguments: &str) -> Option<&RawValue> {
    let arguments = match arguments.trim_ascii() {
        "" => "{}",
        text => text,
    };
    let raw: Option<&RawValue> = serde_json::from_str(arguments).ok();
    raw.filter(|raw| raw.get().starts_with('{'))
}

/// Arguments as an object, also where the model erred: then it is told again what it said.
pub(super) fn args_or_wrapped(arguments: &str) -> Cow<'_, RawValue> {
    if let Some(args) = args(arguments) {
        return Cow::Borrowed(args);
    }
    let wrapped = serde_json::value::to_raw_value(&json!({"arguments": arguments}));
    wrapped.map_or_else(|_| Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

/// JSON of what cannot fail to be JSON: only maps with keys that are no strings do.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::{args, args_or_wrapped};

    #[test]
    fn arguments_are_an_object_in_any_case() {
        for (arguments, expected) in [
            ("", Some("{}")),
            (" \n", Some("{}")),
            (r#" {"a": 1e400}"#, Some(r#"{"a": 1e400}"#)),
            ("[1]", None),
            (r#"{"a""#, None),
            ("null", None),
        ] {
            assert_eq!(args(arguments).map(|raw| raw.get()), expected);
        }
        let wrapped = args_or_wrapped(r#"{"a""#);
        assert_eq!(wrapped.get(), r#"{"arguments":"{\"a\""}"#);
    }
}
