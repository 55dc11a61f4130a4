use serde_json::Value;
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Tool, ToolChoice},
    json::{self, Path},
    openai::function,
};

/// Reads `tools`. Functions are the caller's own; all else would be OpenAI's to run.
pub(super) fn read(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Tool>, Rejection> {
    let mut tools = Vec::new();
    for (index, value) in json::list(value, at)?.into_iter().enumerate() {
        let at = at.index(index);
        tools.extend(tool(value, at, losses)?);
    }
    Ok(tools)
}

/// Reads `tool_choice`; nothing if it names what is no function.
pub(super) fn choice(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice>, Rejection> {
    Ok(Some(match value {
        Value::String(word) => {
            let choice = function::choice(&word);
            choice.ok_or_else(|| json::unfit(at, "one of auto, none and required"))?
        }
        Value::Object(ref fields) => match fields.get("type").and_then(Value::as_str) {
            Some("function") => match named(value, at, losses)? {
                Some(name) => ToolChoice::Required(vec![name]),
                None => return Ok(None),
            },
            Some("allowed_tools") => return allowed(value, at, losses),
            Some(_) => {
                losses.field(at.to_string());
                return Ok(None);
            }
            None => return Err(json::missing(at.key("type"))),
        },
        _ => return Err(json::unfit(at, "a string or an object")),
    }))
}

fn tool(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Option<Tool>, Rejection> {
    let mut fields = json::object(value, at)?;
    match fields.get("type").map(Value::as_str) {
        Some(Some("function")) => {}
        Some(Some(_)) => {
            losses.field(at.to_string());
            return Ok(None);
        }
        Some(None) => return Err(json::unfit(at.key("type"), "a string")),
        None => return Err(json::missing(at.key("type"))),
    }
    fields.retain(|key, value| match key.as_str() {
        "type" => false,
        "defer_loading" => *value != false,
        "allowed_callers" => !value.as_array().is_some_and(|it| it.iter().eq(["direct"])),
        _ => true,
    });
    function::read(fields, at, losses).map(Some)
}

/// Reads `{"type": "allowed_tools", "mode": .., "tools": [..]}`.
fn allowed(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice>, Rejection> {
    let (mut required, mut names) = (None, Vec::new());
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            "type" => {}
            "mode" => {
                required = Some(match value.as_str() {
                    Some("auto") => false,
                    Some("required") => true,
                    _ => return Err(json::unfit(at, "one of auto and required")),
                });
            }
            "tools" => {
                for (index, value) in json::list(value, at)?.into_iter().enumerate() {
                    names.extend(named(value, at.index(index), losses)?);
                }
            }
            _ => losses.field(at.to_string()),
        }
    }
    let required = required.ok_or_else(|| json::missing(at.key("mode")))?;
    if names.is_empty() {
        // An empty list would stand for all of them.
        losses.field(at.key("tools").to_string());
        return Ok(None);
    }
    Ok(Some(match required {
        true => ToolChoice::Required(names),
        false => ToolChoice::Among(names),
    }))
}

/// Reads `{"type": "function", "name": ..}`; another type is named as lost.
fn named(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Option<String>, Rejection> {
    let mut fields = json::object(value, at)?;
    if fields.get("type").is_some_and(|kind| kind != "function") {
        losses.field(at.to_string());
        return Ok(None);
    }
    let at_name = at.key("name");
    let name = fields.shift_remove("name");
    let name = json::text(name.ok_or_else(|| json::missing(at_name))?, at_name)?;
    for (key, _) in fields.iter().filter(|(key, _)| *key != "type") {
        losses.field(at.key(key).to_string());
    }
    Ok(Some(name))
}
