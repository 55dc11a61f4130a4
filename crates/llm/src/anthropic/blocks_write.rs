use super::{
    block::{EMPTY, is_blank, mark, object, plain_id, redacted, text_block, thinking},
    fields::{Fields, json, list},
    media,
    thinking::own_thought,
};
use crate::canon::{Ask, Losses, Part, Role, Turn};

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
