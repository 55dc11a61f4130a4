use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{fields::Fields, signature};
use crate::canon::{Carried, Signature};

/// Texts without a letter are refused, and say nothing.
pub(super) fn text_block(out: &mut Vec<u8>, text: &str, cached: bool) -> bool {
    if is_blank(text) {
        return false;
    }
    let mut block = Fields::of_type(out, "text");
    block.put("text", text);
    mark(&mut block, cached);
    block.end();
    true
}

pub(super) fn thinking(out: &mut Vec<u8>, text: &str, signature: &str) {
    let mut block = Fields::of_type(out, "thinking");
    block.put("thinking", text);
    block.put("signature", signature);
    block.end();
}

pub(super) fn redacted(out: &mut Vec<u8>, signature: &Signature) {
    let mut block = Fields::of_type(out, "redacted_thinking");
    block.put("data", &*signature::seal(signature));
    block.end();
}

/// The head of a tool call to a caller. Its signature rides in the id, as there is no other place.
pub(super) fn call<'a>(
    out: &'a mut Vec<u8>,
    id: &str,
    name: &str,
    signature: Option<&Signature>,
) -> Fields<'a> {
    let carried = Carried {
        signature: signature.cloned(),
        thinking: Vec::new(),
    };
    let mut block = Fields::of_type(out, "tool_use");
    block.put("id", &carried.into_id(id));
    block.put("name", name);
    block
}

pub(super) fn mark(block: &mut Fields<'_>, cached: bool) {
    if cached {
        block
            .key("cache_control")
            .extend_from_slice(br#"{"type":"ephemeral"}"#);
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Arguments, if they are an object as they must be; none at all are an empty one.
pub(super) fn object(arguments: &str) -> Option<&str> {
    if is_blank(arguments) {
        return Some(EMPTY);
    }
    let object = serde_json::from_str::<&RawValue>(arguments).ok()?.get();
    object.starts_with('{').then_some(object)
}

/// An id of letters that Anthropic allows, the same for a call and its result.
pub(super) fn plain_id(id: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !id.is_empty() && id.bytes().all(is_plain) {
        return Cow::Borrowed(id);
    }
    let mut plain = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if is_plain(byte) {
            plain.push(char::from(byte));
        } else {
            plain.push('_');
            plain.push_str(&format!("{byte:02x}"));
        }
    }
    if plain.is_empty() {
        plain.push('_');
    }
    Cow::Owned(plain)
}

pub(super) const EMPTY: &str = "{}";

#[cfg(test)]
mod tests {
    use super::{object, plain_id};

    #[test]
    fn ids_keep_to_the_letters_that_are_allowed_and_stay_apart() {
        for (id, plain) in [
            ("toolu_01-a", "toolu_01-a"),
            ("functions.f:0", "functions_2ef_3a0"),
            ("\u{e9}", "_c3_a9"),
            ("", "_"),
        ] {
            assert_eq!(plain_id(id), plain);
        }
    }

    #[test]
    fn arguments_are_an_object_or_nothing() {
        for (arguments, expected) in [
            ("", Some("{}")),
            (" \n", Some("{}")),
            (r#" {"a": [1]} "#, Some(r#"{"a": [1]}"#)),
            ("[]", None),
            ("null", None),
            (r#"{"a":"#, None),
        ] {
            assert_eq!(object(arguments), expected, "{arguments}");
        }
    }
}
