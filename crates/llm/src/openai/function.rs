use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Tool, ToolChoice},
    json::{self, Path},
};

/// Reads what chat completions and responses both say of a function. What only one of them has is taken out before.
pub(super) fn read(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Tool, Rejection> {
    let mut tool = Tool {
        name: String::new(),
        description: None,
        parameters: None,
        strict: None,
        cached: false,
    };
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "name" => tool.name = json::text(value, at)?,
            "description" => tool.description = Some(json::text(value, at)?),
            "parameters" => tool.parameters = Some(json::object(value, at)?.into()),
            "strict" => tool.strict = Some(json::flag(&value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    if tool.name.is_empty() {
        return Err(json::missing(at.key("name")));
    }
    Ok(tool)
}

/// A choice of tools that is one word.
pub(super) fn choice(word: &str) -> Option<ToolChoice> {
    Some(match word {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required(Vec::new()),
        _ => return None,
    })
}
