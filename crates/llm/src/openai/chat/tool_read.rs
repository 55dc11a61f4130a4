use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::take::{kind, only};
use crate::{
    canon::{Ask, Losses, Tool, ToolChoice},
    json::{self, Path},
    openai::function,
};

/// Reads `tools`.
pub(super) fn tools(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Vec<Tool>, Rejection> {
    let mut tools = Vec::new();
    for (index, value) in json::list(value, at)?.into_iter().enumerate() {
        let at = at.index(index);
        tools.extend(tool(json::object(value, at)?, at, losses)?);
    }
    Ok(tools)
}

/// Reads `tool_choice`.
pub(super) fn choice(
    value: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice>, Rejection> {
    let mut fields = match value {
        Value::String(word) => {
            let choice = function::choice(&word);
            let unknown = || json::unfit(at, "none, auto, required or an object");
            return choice.ok_or_else(unknown).map(Some);
        }
        value => json::object(value, at)?,
    };
    match kind(&mut fields, at)?.as_str() {
        "function" => {
            let name = function_name(fields, at, losses)?;
            Ok(Some(ToolChoice::Required(vec![name])))
        }
        "allowed_tools" => {
            let inner = at.key("allowed_tools");
            let allowed = only(fields, "allowed_tools", at, losses)?;
            allowed_tools(json::object(allowed, inner)?, inner, losses).map(Some)
        }
        "custom" => {
            losses.field(at.to_string());
            Ok(None)
        }
        _ => Err(json::unfit(
            at.key("type"),
            "function, allowed_tools or custom",
        )),
    }
}

/// Refuses a choice of tools where there are none, but for those that then say nothing.
pub(super) fn check_choice(ask: &mut Ask) -> Result<(), Rejection> {
    if ask.tools.is_empty() {
        match ask.tool_choice.take() {
            // Where tools were left out, that is what is at fault.
            Some(ToolChoice::Required(_)) if ask.losses.fields().is_empty() => {
                let message = "`tool_choice` needs `tools`";
                return Err(json::wrong(Path::Body.key("tool_choice"), message));
            }
            Some(ToolChoice::Required(_)) => ask.losses.field("tool_choice"),
            _ => {}
        }
    }
    Ok(())
}

/// A function; others are named as lost.
fn tool(
    mut fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Tool>, Rejection> {
    if kind(&mut fields, at)? != "function" {
        losses.field(at.to_string());
        return Ok(None);
    }
    let mut tool = None;
    let mut cached = false;
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "function" => tool = Some(function(json::object(value, at)?, at, losses)?),
            // How other gateways let one mark what Anthropic is to cache.
            "cache_control" => cached = true,
            _ => losses.field(at.to_string()),
        }
    }
    let mut tool = tool.ok_or_else(|| json::missing(at.key("function")))?;
    tool.cached |= cached;
    Ok(Some(tool))
}

fn function(
    mut fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Tool, Rejection> {
    let mark = fields.shift_remove("cache_control");
    let tool = function::read(fields, at, losses)?;
    Ok(Tool {
        cached: mark.is_some_and(|mark| !mark.is_null()),
        ..tool
    })
}

fn allowed_tools(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<ToolChoice, Rejection> {
    let mut required = None;
    let mut names = Vec::new();
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "mode" => match json::text(value, at)?.as_str() {
                "auto" => required = Some(false),
                "required" => required = Some(true),
                _ => return Err(json::unfit(at, "auto or required")),
            },
            "tools" => {
                for (index, value) in json::list(value, at)?.into_iter().enumerate() {
                    let at = at.index(index);
                    let mut fields = json::object(value, at)?;
                    if kind(&mut fields, at)? == "function" {
                        names.push(function_name(fields, at, losses)?);
                    } else {
                        losses.field(at.to_string());
                    }
                }
            }
            _ => losses.field(at.to_string()),
        }
    }
    if names.is_empty() {
        // An empty list of required tools would stand for all of them.
        return Err(json::unfit(at.key("tools"), "a list of at least one tool"));
    }
    match required {
        Some(true) => Ok(ToolChoice::Required(names)),
        Some(false) => Ok(ToolChoice::Among(names)),
        None => Err(json::missing(at.key("mode"))),
    }
}

/// The name in `{"function": {"name": ..}}`.
fn function_name(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<String, Rejection> {
    let function = only(fields, "function", at, losses)?;
    let at = at.key("function");
    let name = only(json::object(function, at)?, "name", at, losses)?;
    json::text(name, at.key("name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{choice, tools};
    use crate::{
        canon::{Losses, ToolChoice},
        json::Path,
    };

    const AT: Path<'_> = Path::Key(&Path::Body, "x");

    #[test]
    fn each_choice_of_tools_is_read() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let function = |name| json!({"type": "function", "function": {"name": name}});
        let allowed = |mode| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [function("a")]}});
        for (value, expected) in [
            (json!("auto"), ToolChoice::Auto),
            (json!("none"), ToolChoice::None),
            (json!("required"), ToolChoice::Required(vec![])),
            (function("f"), ToolChoice::Required(names(&["f"]))),
            (allowed("auto"), ToolChoice::Among(names(&["a"]))),
            (allowed("required"), ToolChoice::Required(names(&["a"]))),
        ] {
            let mut losses = Losses::default();
            let read = choice(value.clone(), AT, &mut losses).unwrap();
            assert_eq!(read, Some(expected), "{value}");
            assert!(losses.is_empty());
        }
    }

    #[test]
    fn custom_tools_are_named_as_lost() {
        let mut losses = Losses::default();
        let custom = json!({"type": "custom", "custom": {"name": "c"}});
        let read = tools(json!([custom]), AT, &mut losses).unwrap();
        assert!(read.is_empty());
        assert_eq!(losses.fields(), ["x[0]"]);
        let mut losses = Losses::default();
        assert_eq!(choice(custom, AT, &mut losses).unwrap(), None);
        assert_eq!(losses.fields(), ["x"]);
    }

    #[test]
    fn a_tools_unknown_fields_are_named() {
        let tool = json!({"type": "function", "cache_control": {"type": "ephemeral"},
            "function": {"name": "f", "parameters": {}, "output": 1}});
        let mut losses = Losses::default();
        let read = tools(json!([tool]), AT, &mut losses).unwrap();
        assert!(read[0].cached);
        assert_eq!(losses.fields(), ["x[0].function.output"]);
    }
}
