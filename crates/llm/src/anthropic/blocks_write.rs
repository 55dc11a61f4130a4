use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    fields::{Fields, json, list},
    media, signature,
    thinking::own_thought,
};
use crate::canon::{Ask, Carried, Losses, Part, Role, Signature, Turn};

/// Writes the conversation. Turns of one role become one message, so that all that tools found stands in the message
/// after their calls, and in front of all else.
pub(super) fn messages(out: &mut Vec<u8>, ask: &Ask, losses: &mut Losses) {
    let same_role = |one: &Turn, next: &Turn| one.role == next.role;
    list(out, ask.turns.chunk_by(same_role), |out, turns| {
        message(out, turns, ask, losses)
    });
}

fn message(out: &mut Vec<u8>, turns: &[Turn], ask: &Ask, losses: &mut Losses) -> bool {
    let role = match turns[0].role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut message = Fields::begin(out);
    message.put("role", role);
    if let [turn] = turns
        && let [
            Part::Text {
                text,
                cached: false,
            },
        ] = &*turn.parts
    {
        message.put("content", text);
        message.end();
        return !is_blank(text);
    }
    let parts = || {
        turns
            .iter()
            .flat_map(|turn| turn.parts.iter().map(move |part| (turn, part)))
    };
    let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
    let results = parts().filter(|(_, part)| is_result(part));
    let others = parts().filter(|(_, part)| !is_result(part));
    let mut written = false;
    list(
        message.key("content"),
        results.chain(others),
        |out, (turn, part)| {
            let wrote = block(out, part, turn, ask, losses);
            written |= wrote;
            wrote
        },
    );
    message.end();
    written
}

/// Writes a block; says whether there was anything to write.
fn block(out: &mut Vec<u8>, part: &Part, turn: &Turn, ask: &Ask, losses: &mut Losses) -> bool {
    let mut lost = || {
        losses.field(ask.names.turn(turn));
        false
    };
    match (part, turn.role) {
        (Part::Text { text, cached }, _) => text_block(out, text, *cached),
        (Part::Refusal(text), _) => text_block(out, text, false),
        (Part::Media(it), Role::User) => {
            let written = media::write(out, it) || lost();
            if written && it.detail.is_some() {
                losses.hint(format!("{}.detail", ask.names.turn(turn)));
            }
            written
        }
        (
            Part::ToolCall {
                id,
                name,
                arguments,
                cached,
                ..
            },
            Role::Assistant,
        ) => {
            let input = object(arguments).unwrap_or_else(|| {
                lost();
                EMPTY
            });
            let mut block = Fields::of_type(out, "tool_use");
            block.put("id", &*plain_id(id));
            block.put("name", name);
            block.key("input").extend_from_slice(input.as_bytes());
            mark(&mut block, *cached);
            block.end();
            true
        }
        (
            Part::ToolResult {
                id,
                content,
                is_error,
                cached,
                ..
            },
            Role::User,
        ) => {
            let mut block = Fields::of_type(out, "tool_result");
            block.put("tool_use_id", &*plain_id(id));
            if !result(&mut block, content) {
                lost();
            }
            block.maybe("is_error", is_error.then_some(true));
            mark(&mut block, *cached);
            block.end();
            true
        }
        (Part::Thinking { text, .. }, Role::Assistant) => match own_thought(part) {
            Some(signature) => {
                thinking(out, text, &signature.value);
                true
            }
            None => false, // Others' thoughts, and those that nobody vouches for, stay behind.
        },
        (Part::Redacted(_), Role::Assistant) => match own_thought(part) {
            Some(signature) => {
                redacted(out, signature);
                true
            }
            None => false,
        },
        _ => lost(),
    }
}

/// Writes what a tool found; says whether that was all of it.
fn result(block: &mut Fields<'_>, content: &[Part]) -> bool {
    let mut whole = true;
    match content {
        [] => {}
        [
            Part::Text {
                text,
                cached: false,
            },
        ] => block.put("content", text),
        parts => list(block.key("content"), parts, |out, part| match part {
            Part::Text { text, cached } => text_block(out, text, *cached),
            Part::Media(it) if media::write(out, it) => true,
            _ => {
                whole = false;
                false
            }
        }),
    }
    whole
}

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
fn plain_id(id: &str) -> Cow<'_, str> {
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

const EMPTY: &str = "{}";

/// Instructions: one text as it is, several as blocks.
pub(super) fn system(body: &mut Fields<'_>, ask: &Ask) {
    let is_text = |part: &&Part| matches!(part, Part::Text { text, .. } if !is_blank(text));
    let mut texts = ask.system.iter().filter(is_text);
    match (texts.next(), texts.next()) {
        (None, _) => {}
        (
            Some(Part::Text {
                text,
                cached: false,
            }),
            None,
        ) => json(body.key("system"), text),
        _ => list(
            body.key("system"),
            ask.system.iter().filter(is_text),
            |out, part| matches!(part, Part::Text { text, cached } if text_block(out, text, *cached)),
        ),
    }
}

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
