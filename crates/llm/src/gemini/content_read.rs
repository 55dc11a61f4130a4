mod calls;
mod part;

use serde_json::Value;
use tollgate_core::Rejection;

use self::calls::Calls;
use super::fields::{list, lose, object};
use crate::{
    canon::{Losses, Part, Role, Turn},
    json::{self, Path, missing, unfit},
};

/// Reads the conversation.
pub(super) fn turns(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Turn>, Rejection> {
    let mut calls = Calls::default();
    let mut turns: Vec<Turn> = Vec::new();
    for (index, content) in list(value, at)?.into_iter().enumerate() {
        let (role, parts) = content_of(content, at.index(index), &mut calls, losses)?;
        match turns.last_mut() {
            // Clients send a stream's pieces back as they came, each a content.
            Some(turn) if turn.role == role && role == Role::Assistant => {
                parts.into_iter().for_each(|it| add(it, &mut turn.parts));
            }
            _ => turns.push(Turn {
                role,
                parts,
                at: index,
            }),
        }
    }
    Ok(turns)
}

/// Adds a part. Thinking in pieces, of which the last is signed, is one.
fn add(part: Part, parts: &mut Vec<Part>) {
    match (parts.last_mut(), part) {
        (
            Some(Part::Thinking {
                text: before,
                signature: unsigned @ None,
            }),
            Part::Thinking { text, signature },
        ) => {
            before.push_str(&text);
            *unsigned = signature;
        }
        (_, part) => parts.push(part),
    }
}

/// Reads the instructions above it, of which only text counts.
pub(super) fn system(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Part>, Rejection> {
    let mut value = value;
    if let Some(role) = value.get_mut("role") {
        *role = Value::Null; // It has none, whatever clients write there.
    }
    let (_, mut parts) = content_of(value, at, &mut Calls::default(), losses)?;
    let before = parts.len();
    parts.retain(|part| matches!(part, Part::Text { .. }));
    if parts.len() < before {
        losses.field(at.key("parts").to_string());
    }
    Ok(parts)
}

fn content_of(
    value: Value,
    above: Path<'_>,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<(Role, Vec<Part>), Rejection> {
    let (mut role, mut values) = (Role::User, Vec::new());
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "role" => {
                role = match json::text(value, at)?.as_str() {
                    "" | "user" | "function" => Role::User,
                    "model" => Role::Assistant,
                    _ => return Err(unfit(at, "user or model")),
                }
            }
            "parts" => values = list(value, at)?,
            _ => lose(&value, at, losses),
        }
    }
    let at = above.key("parts");
    if values.is_empty() {
        return Err(missing(at));
    }
    let (mut parts, mut read) = (Vec::with_capacity(values.len()), Vec::new());
    for (index, value) in values.into_iter().enumerate() {
        part::read(value, at.index(index), role, calls, losses, &mut read)?;
        read.drain(..).for_each(|it| add(it, &mut parts));
    }
    Ok((role, parts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::turns;
    use crate::{
        canon::{Losses, Part, Role},
        json::Path,
    };

    #[test]
    fn what_came_as_a_stream_may_be_sent_back_in_its_pieces() {
        let contents = json!([
            { "role": "user", "parts": [{ "text": "hello" }] },
            { "role": "model", "parts": [
                { "text": "Let ", "thought": true }, { "text": "me ", "thought": true },
            ] },
            { "role": "model", "parts": [
                { "text": "see", "thought": true },
                { "text": "", "thought": true, "thoughtSignature": "c2ln" },
            ] },
            { "role": "model", "parts": [{ "text": "another", "thought": true }] },
            { "role": "model", "parts": [{ "text": "hi" }] },
            { "role": "user", "parts": [{ "text": "one" }] },
            { "role": "user", "parts": [{ "text": "two" }] },
        ]);
        let mut losses = Losses::default();

        let turns = turns(contents, Path::Body.key("contents"), &mut losses).unwrap();

        let roles: Vec<_> = turns.iter().map(|turn| (turn.role, turn.at)).collect();
        let user = |at| (Role::User, at);
        assert_eq!(roles, [user(0), (Role::Assistant, 1), user(5), user(6)]);
        let [
            Part::Thinking {
                text: first,
                signature: Some(_),
            },
            Part::Thinking {
                text: second,
                signature: None,
            },
            Part::Text { text, .. },
        ] = &*turns[1].parts
        else {
            panic!("{turns:?}");
        };
        assert_eq!([first, second, text], ["Let me see", "another", "hi"]);
    }
}
