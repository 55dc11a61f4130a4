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
    let contents = list(value, at)?.into_iter().enumerate();
    contents
        .map(|(index, content)| {
            let (role, parts) = content_of(content, at.index(index), &mut calls, losses)?;
            Ok(Turn {
                role,
                parts,
                at: index,
            })
        })
        .collect()
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
    let mut parts = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        part::read(value, at.index(index), role, calls, losses, &mut parts)?;
    }
    Ok((role, parts))
}
