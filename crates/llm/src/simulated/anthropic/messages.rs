use serde_json::{Value, json};

use super::{
    blocks::{block_of, string, text},
    fields::items,
    mark::Mark,
    rules::{self, Version, prefills},
    turns::turns,
};
use crate::simulated::{
    asked::{Asked, Choice, Format, Message, Part, Tool},
    refusal::Refusal,
};

/// Reads a request for a message; one for a count needs no `max_tokens`.
pub(crate) fn messages(body: &Value, version: Version, counts: bool) -> Result<Asked, Refusal> {
    rules::settings(body, version, counts)?;
    let mut asked = Asked {
        model: string(&body["model"]),
        stream: body["stream"] == true,
        max: body["max_tokens"].as_u64(),
        alone: body["tool_choice"]["disable_parallel_tool_use"] == true,
        ..Asked::default()
    };
    let mut mark = Mark::new(&asked.model);
    for tool in items(&body["tools"]) {
        asked.tools.push(Tool {
            name: string(&tool["name"]),
            description: string(&tool["description"]),
            schema: tool["input_schema"].clone(),
        });
        mark.pass(tool);
    }
    match &body["system"] {
        Value::String(text) => {
            asked.system.push(text.clone());
            mark.add(text);
        }
        blocks => {
            for (index, block) in items(blocks).enumerate() {
                let path = format!("system.{index}");
                let text = text(block, &path, "system")?;
                asked.system.push(text);
                mark.pass(block);
            }
        }
    }
    let Some(messages) = body["messages"].as_array() else {
        return Err(Refusal::bad("messages: Field required"));
    };
    if messages.is_empty() {
        return Err(Refusal::bad("messages: at least one message is required"));
    }
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages.{index}");
        let role = match message["role"].as_str() {
            Some("user") => "user",
            Some("assistant") => "assistant",
            _ => {
                return Err(Refusal::bad(format!(
                    "{path}.role: Input should be 'user' or 'assistant'"
                )));
            }
        };
        if index == 0 && role != "user" {
            return Err(Refusal::bad(
                "messages: first message must use the \"user\" role",
            ));
        }
        let mut parts = Vec::new();
        match &message["content"] {
            Value::String(text) if !text.is_empty() => {
                parts.push(Part::Text(text.clone()));
                mark.add(text);
            }
            Value::Array(blocks) if !blocks.is_empty() => {
                for (at, block) in blocks.iter().enumerate() {
                    let path = format!("{path}.content.{at}");
                    block_of(&asked, block, role, version, &path, &mut parts)?;
                    mark.pass(block);
                }
            }
            Value::Null => return Err(Refusal::bad(format!("{path}.content: Field required"))),
            Value::String(_) | Value::Array(_) => {
                let message = format!(
                    "{path}: all messages must have non-empty content except for the optional final assistant message"
                );
                return Err(Refusal::bad(message));
            }
            _ => {
                return Err(Refusal::bad(format!(
                    "{path}.content: Input should be a valid string"
                )));
            }
        }
        // Runs of one role are one turn.
        match asked.messages.last_mut() {
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => asked.messages.push(Message { role, parts }),
        }
    }
    turns(&asked, body["thinking"]["type"] == "enabled")?;
    if asked
        .messages
        .last()
        .is_some_and(|last| last.role == "assistant")
        && !prefills(&asked.model)
    {
        let message = "This model does not support assistant message prefill. The conversation must end with a user message.";
        return Err(Refusal::bad(message));
    }
    let choice = &body["tool_choice"];
    asked.choice = match choice["type"].as_str() {
        Some("none") => Choice::None,
        Some("any") => Choice::Any,
        Some("tool") => Choice::Of(vec![string(&choice["name"])]),
        _ => Choice::Auto,
    };
    asked.stop = items(&body["stop_sequences"]).map(string).collect();
    let format = &body["output_config"]["format"];
    if format["type"] == "json_schema" {
        asked.format = Format::Schema(format["schema"].clone());
    }
    asked.reasons = matches!(
        body["thinking"]["type"].as_str(),
        Some("enabled" | "adaptive")
    );
    if body["cache_control"].is_object() {
        mark.here(&body["cache_control"]);
    }
    asked.caching = mark.caching;
    for name in [
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "metadata",
        "thinking",
        "output_config",
        "service_tier",
    ] {
        if !body[name].is_null() {
            asked.params.insert(name.into(), body[name].clone());
        }
    }
    if !asked.stop.is_empty() {
        asked.params.insert("stop".into(), json!(asked.stop));
    }
    Ok(asked)
}
