use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Ask, Effort, Format, Losses, Reasoning},
    json::{self, Path},
};

/// Reads `text`: what the answer must look like.
pub(super) fn text(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "format" => ask.format = format(json::object(value, at)?, at, &mut ask.losses)?,
            "verbosity" if value == "medium" => {}
            _ => ask.losses.field(at.to_string()),
        }
    }
    Ok(())
}

/// Reads `reasoning`, and keeps its words for the answer.
pub(super) fn reasoning(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    let mut reasoning = Reasoning::default();
    let mut told = Map::new();
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "effort" => {
                let effort = value.as_str().and_then(Effort::named);
                reasoning.effort = Some(effort.ok_or_else(|| json::unfit(at, EFFORTS))?);
                told.insert(key, value);
            }
            "summary" | "generate_summary" => {
                match value.as_str() {
                    Some("auto") => {}
                    Some("concise" | "detailed") => ask.losses.hint(at.to_string()),
                    _ => return Err(json::unfit(at, "one of auto, concise and detailed")),
                }
                reasoning.shown = Some(true);
                told.insert("summary".to_owned(), value);
            }
            "context" if value == "auto" => {}
            "mode" if value == "standard" => {}
            _ => ask.losses.field(at.to_string()),
        }
    }
    if reasoning != Reasoning::default() {
        ask.reasoning = Some(reasoning);
        ask.echo.insert("reasoning".to_owned(), told.into());
    }
    Ok(())
}

fn format(
    mut fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Format, Rejection> {
    let kind = at.key("type");
    let Some(is) = fields.shift_remove("type") else {
        return Err(json::missing(kind));
    };
    match is.as_str() {
        Some("json_schema") => schema(fields, at, losses),
        Some(is @ ("text" | "json_object")) => {
            losses.rest(fields, at);
            Ok(if is == "text" {
                Format::Text
            } else {
                Format::Json
            })
        }
        _ => Err(json::unfit(
            kind,
            "one of text, json_object and json_schema",
        )),
    }
}

fn schema(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Format, Rejection> {
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "name" => name = Some(json::text(value, at)?),
            "description" => description = Some(json::text(value, at)?),
            "schema" => schema = Some(Value::Object(json::object(value, at)?)),
            "strict" => strict = Some(json::flag(&value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    Ok(Format::Schema {
        name: Some(name.ok_or_else(|| json::missing(at.key("name")))?),
        description,
        schema: schema.ok_or_else(|| json::missing(at.key("schema")))?,
        strict,
    })
}

const EFFORTS: &str = "one of none, minimal, low, medium, high, xhigh and max";
