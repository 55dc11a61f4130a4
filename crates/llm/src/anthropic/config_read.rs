use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::{blocks_read::Blocks, media::take, schema};
use crate::{
    canon::{Ask, Effort, Format, Losses, Reasoning, Tool, ToolChoice},
    json::{self, Path},
};

pub(super) fn tools(
    tools: Value,
    at: Path<'_>,
    blocks: &mut Blocks,
) -> Result<Vec<Tool>, Rejection> {
    let mut read = Vec::new();
    for (index, tool) in json::list(tools, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let mut fields = json::object(tool, at)?;
        match fields.remove("type") {
            None | Some(Value::Null) => {}
            Some(kind) if kind == "custom" => {}
            // The provider would run it, or knows what it takes.
            Some(_) => {
                blocks.losses.field(at.to_string());
                continue;
            }
        }
        read.push(tool_of(&mut fields, at, blocks)?);
        blocks.losses.rest(fields, at);
    }
    Ok(read)
}

fn tool_of(
    fields: &mut Map<String, Value>,
    at: Path<'_>,
    blocks: &mut Blocks,
) -> Result<Tool, Rejection> {
    let name = take(fields, "name", at)?;
    let cached = blocks.mark(fields, at)?;
    let schema = fields
        .remove("input_schema")
        .ok_or_else(|| json::missing(at.key("input_schema")))?;
    let schema = json::object(schema, at.key("input_schema"))?;
    let takes_none = schema.iter().all(|(name, value)| match name.as_str() {
        "type" => value == "object",
        "properties" => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    });
    let description = fields.remove("description").filter(|it| !it.is_null());
    let description = description.map(|it| json::text(it, at.key("description")));
    let strict = fields.remove("strict").filter(|it| !it.is_null());
    let strict = strict.map(|it| json::flag(&it, at.key("strict")));
    // They help the model, and change when its pieces come.
    for name in ["input_examples", "eager_input_streaming"] {
        if fields.remove(name).is_some_and(|it| !it.is_null()) {
            blocks.losses.hint(at.key(name).to_string());
        }
    }
    for (name, default) in [
        ("defer_loading", serde_json::json!(false)),
        ("allowed_callers", serde_json::json!(["direct"])),
    ] {
        if fields.get(name) == Some(&default) {
            fields.remove(name);
        }
    }
    Ok(Tool {
        name,
        description: description.transpose()?,
        parameters: (!takes_none).then_some(Value::Object(schema)),
        strict: strict.transpose()?.filter(|strict| *strict),
        cached,
    })
}

pub(super) fn tool_choice(
    choice: Value,
    at: Path<'_>,
    ask: &mut Ask,
    losses: &mut Losses,
) -> Result<(), Rejection> {
    let mut fields = json::object(choice, at)?;
    ask.tool_choice = Some(match &*take(&mut fields, "type", at)? {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required(Vec::new()),
        "tool" => ToolChoice::Required(vec![take(&mut fields, "name", at)?]),
        _ => {
            return Err(json::unfit(
                at.key("type"),
                "`auto`, `any`, `tool` or `none`",
            ));
        }
    });
    for (name, value) in fields {
        match &*name {
            "disable_parallel_tool_use" if value.is_null() => {}
            "disable_parallel_tool_use" if json::flag(&value, at.key(&name))? => {
                ask.parallel_tools = Some(false);
            }
            "disable_parallel_tool_use" => {}
            _ => losses.field(at.key(&name).to_string()),
        }
    }
    Ok(())
}

pub(super) fn thinking(
    config: Value,
    at: Path<'_>,
    ask: &mut Ask,
    losses: &mut Losses,
) -> Result<(), Rejection> {
    let mut fields = json::object(config, at)?;
    let mut reasoning = Reasoning::default();
    match &*take(&mut fields, "type", at)? {
        "enabled" => {
            let at = at.key("budget_tokens");
            let budget = fields.remove("budget_tokens");
            let budget = budget.ok_or_else(|| json::missing(at))?;
            reasoning.budget = Some(json::count(&budget, at)?);
        }
        "adaptive" => reasoning.effort = Some(Effort::Adaptive),
        "disabled" => reasoning.effort = Some(Effort::None),
        "between_tools" => {
            // What is said between the tools comes as text then.
            losses.hint(at.key("type").to_string());
            reasoning.effort = Some(Effort::None);
        }
        _ => {
            return Err(json::unfit(
                at.key("type"),
                "`enabled`, `adaptive` or `disabled`",
            ));
        }
    }
    for (name, value) in fields {
        match (&*name, value.as_str()) {
            (_, None) if value.is_null() => {}
            ("display", Some("summarized")) => reasoning.shown = Some(true),
            ("display", Some("omitted")) => reasoning.shown = Some(false),
            ("display", _) => return Err(json::unfit(at.key(&name), "`summarized` or `omitted`")),
            _ => losses.field(at.key(&name).to_string()),
        }
    }
    ask.reasoning = Some(reasoning);
    Ok(())
}

/// To be read after `thinking`, which it refines.
pub(super) fn output_config(
    config: Value,
    at: Path<'_>,
    ask: &mut Ask,
    losses: &mut Losses,
) -> Result<(), Rejection> {
    for (name, value) in json::object(config, at)? {
        let at = at.key(&name);
        match &*name {
            _ if value.is_null() => {}
            "effort" => {
                let effort = Effort::named(&json::text(value, at)?);
                let known = effort.filter(|it| *it >= Effort::Low);
                let words = "`low`, `medium`, `high`, `xhigh` or `max`";
                effort_of(
                    known.ok_or_else(|| json::unfit(at, words))?,
                    at,
                    ask,
                    losses,
                );
            }
            "format" => ask.format = format(value, at, losses)?,
            // What a whole task may cost; the model is told, and not held to it.
            "task_budget" => losses.hint(at.to_string()),
            _ => losses.field(at.to_string()),
        }
    }
    Ok(())
}

fn effort_of(effort: Effort, at: Path<'_>, ask: &mut Ask, losses: &mut Losses) {
    let reasoning = ask.reasoning.get_or_insert_default();
    match reasoning.effort {
        // Elsewhere the effort is that of thinking only.
        Some(Effort::None) => losses.hint(at.to_string()),
        _ => reasoning.effort = Some(effort),
    }
}

pub(super) fn format(
    format: Value,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Format, Rejection> {
    let mut fields = json::object(format, at)?;
    if take(&mut fields, "type", at)? != "json_schema" {
        return Err(json::unfit(at.key("type"), "`json_schema`"));
    }
    let schema = fields
        .remove("schema")
        .ok_or_else(|| json::missing(at.key("schema")))?;
    let schema = Value::Object(json::object(schema, at.key("schema"))?);
    for (name, value) in fields {
        if !value.is_null() {
            losses.field(at.key(&name).to_string());
        }
    }
    Ok(Format::Schema {
        name: None,
        description: None,
        // Anthropic always holds the answer to it; others only to schemas without options.
        strict: schema::is_total(&schema).then_some(true),
        schema,
    })
}
