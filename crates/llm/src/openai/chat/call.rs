use std::{
    borrow::Cow,
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
};

use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::Losses,
    json::{self, Path},
};

/// A tool call in a caller's message.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Reads `tool_calls`.
pub(super) fn calls(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Called>, Rejection> {
    let mut calls = Vec::new();
    for (index, value) in json::list(value, at)?.into_iter().enumerate() {
        let at = at.index(index);
        calls.extend(call(json::object(value, at)?, at, losses)?);
    }
    Ok(calls)
}

/// The id as OpenAI takes it, which is strict about its length.
pub(super) fn fitting_id(id: &str) -> Cow<'_, str> {
    if id.len() <= LONGEST_ID {
        return Cow::Borrowed(id);
    }
    // The same for the call and its result, and in the next turn.
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    Cow::Owned(format!("call_{:016x}", hasher.finish()))
}

/// An id that no other call or answer has, for servers that give none.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}{:016x}", RandomState::new().hash_one(prefix))
}

/// The most that OpenAI takes.
const LONGEST_ID: usize = 40;

/// A call of a function; others are named as lost.
fn call(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Called>, Rejection> {
    // Some servers give no type, and so their callers have none to send back.
    if fields.get("type").is_some_and(|kind| kind != "function") {
        losses.field(at.to_string());
        return Ok(None);
    }
    let (mut id, mut function) = (None, None);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            "type" | "index" => {} // The index is a leftover of a stream.
            _ if value.is_null() => {}
            "id" => id = Some(json::text(value, at)?),
            "function" => function = Some(json::object(value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    let id = id.ok_or_else(|| json::missing(at.key("id")))?;
    let at = at.key("function");
    let function = function.ok_or_else(|| json::missing(at))?;
    let (mut name, mut arguments) = (String::new(), String::new());
    for (key, value) in function {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "name" => name = json::text(value, at)?,
            "arguments" => {
                arguments = match value {
                    Value::Object(_) => value.to_string(),
                    value => json::text(value, at)?,
                }
            }
            _ => losses.field(at.to_string()),
        }
    }
    if name.is_empty() {
        return Err(json::missing(at.key("name")));
    }
    Ok(Some(Called {
        id,
        name,
        arguments,
    }))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_ID, fitting_id, new_id};

    #[test]
    fn long_ids_are_shortened_to_the_same() {
        let (long, other) = ("x".repeat(41), "x".repeat(42));
        assert_eq!(fitting_id(&long), fitting_id(&long));
        assert_ne!(fitting_id(&long), fitting_id(&other));
        assert!(fitting_id(&long).len() <= LONGEST_ID);
        assert_eq!(fitting_id("call_1"), "call_1");
    }

    #[test]
    fn new_ids_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| new_id("call_")).collect();
        assert_eq!(ids.len(), 1000);
    }
}
