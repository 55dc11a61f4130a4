use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::{
    NAMES, config_read, content_read,
    fields::{camel, list, lose, lose_hint, object, texts},
    schema::json_schema,
};
use crate::{
    canon::{Ask, Losses, Tool, ToolChoice},
    json::{self, Path, missing, unfit, wrong},
};

/// Reads what a caller asks. The model and whether to stream stand in the path.
pub(crate) fn read_ask(body: &[u8], model: &str, stream: bool) -> Result<Ask, Rejection> {
    ask(json::body(body)?, Path::Body, model, stream)
}

/// Reads the fields of a request that stands there.
pub(super) fn ask(
    fields: Map<String, Value>,
    above: Path<'_>,
    model: &str,
    stream: bool,
) -> Result<Ask, Rejection> {
    let mut ask = Ask::new(&NAMES);
    ask.model = model.to_owned();
    ask.stream = stream;
    ask.stream_usage = stream; // Here callers always get it.
    for (name, value) in camel(fields, above)? {
        let at = above.key(&name);
        if value.is_null() {
            continue;
        }
        match name.as_str() {
            "contents" => ask.turns = content_read::turns(value, at, &mut ask.losses)?,
            "systemInstruction" => ask.system = content_read::system(value, at, &mut ask.losses)?,
            "tools" => ask.tools = tools(value, at, &mut ask.losses)?,
            "toolConfig" => tool_config(value, at, &mut ask)?,
            "generationConfig" => config_read::read(value, at, &mut ask)?,
            "model" => {} // The path says which.
            "labels" | "serviceTier" | "store" => lose_hint(&value, at, &mut ask.losses),
            _ => lose(&value, at, &mut ask.losses),
        }
    }
    if ask.turns.is_empty() {
        return Err(missing(above.key("contents")));
    }
    Ok(ask)
}

fn tools(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Vec<Tool>, Rejection> {
    let mut tools = Vec::new();
    for (index, group) in list(value, at)?.into_iter().enumerate() {
        let at = at.index(index);
        for (name, value) in object(group, at)? {
            let at = at.key(&name);
            match name.as_str() {
                _ if value.is_null() => {}
                "functionDeclarations" => {
                    for (index, declared) in list(value, at)?.into_iter().enumerate() {
                        tools.push(tool(declared, at.index(index), losses)?);
                    }
                }
                // Google's own tools: even an empty object asks for one.
                _ => losses.field(at.to_string()),
            }
        }
    }
    Ok(tools)
}

fn tool(value: Value, above: Path<'_>, losses: &mut Losses) -> Result<Tool, Rejection> {
    let mut tool = Tool {
        name: String::new(),
        description: None,
        parameters: None,
        strict: None,
        cached: false,
    };
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "name" => tool.name = json::text(value, at)?,
            "description" => tool.description = Some(json::text(value, at)?),
            "parameters" | "parametersJsonSchema" => {
                if !value.is_object() {
                    return Err(unfit(at, "an object"));
                }
                if tool.parameters.is_some() {
                    return Err(wrong(at, format!("`{at}` says again what parameters are")));
                }
                tool.parameters = Some(match name.as_str() {
                    "parameters" => json_schema(value),
                    _ => value,
                });
            }
            // What a function answers with; the SDK says it of each that it calls by itself, and models do without.
            "response" | "responseJsonSchema" => losses.hint(at.to_string()),
            "behavior" if value == "BLOCKING" || value == "UNSPECIFIED" => {}
            _ => lose(&value, at, losses),
        }
    }
    if tool.name.is_empty() {
        return Err(missing(above.key("name")));
    }
    Ok(tool)
}

fn tool_config(value: Value, above: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "functionCallingConfig" => ask.tool_choice = tool_choice(value, at, &mut ask.losses)?,
            _ => lose(&value, at, &mut ask.losses),
        }
    }
    Ok(())
}

fn tool_choice(
    value: Value,
    above: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice>, Rejection> {
    let (mut mode, mut names) = (String::new(), Vec::new());
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "mode" => mode = json::text(value, at)?.to_ascii_uppercase(),
            "allowedFunctionNames" => names = texts(value, at)?,
            // How a call is cut into events.
            "streamFunctionCallArguments" => lose_hint(&value, at, losses),
            _ => lose(&value, at, losses),
        }
    }
    let at = above.key("mode");
    match mode.as_str() {
        "ANY" => return Ok(Some(ToolChoice::Required(names))),
        "VALIDATED" if names.is_empty() => {
            losses.hint(at.to_string());
            return Ok(Some(ToolChoice::Auto));
        }
        "VALIDATED" => return Ok(Some(ToolChoice::Among(names))),
        _ => {}
    }
    if !names.is_empty() {
        let at = above.key("allowedFunctionNames");
        return Err(wrong(at, format!("`{at}` needs the mode ANY or VALIDATED")));
    }
    match mode.as_str() {
        "" | "MODE_UNSPECIFIED" => Ok(None),
        "AUTO" => Ok(Some(ToolChoice::Auto)),
        "NONE" => Ok(Some(ToolChoice::None)),
        _ => Err(unfit(at, "AUTO, ANY, NONE or VALIDATED")),
    }
}
