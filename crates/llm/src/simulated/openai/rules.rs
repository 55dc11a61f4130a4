use std::collections::HashSet;

use serde_json::Value;

use super::messages::reasons;
use crate::simulated::{
    asked::{Asked, Choice, Format, Message, Part, Tool},
    refusal::Refusal,
};

/// Refuses settings that OpenAI refuses.
pub(crate) fn settings(body: &Value) -> Result<(), Refusal> {
    let model = body["model"].as_str().unwrap_or_default();
    if model.is_empty() {
        return Err(Refusal::bad("you must provide a model parameter"));
    }
    let ranges: [(&str, f64, f64); 10] = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("n", 1.0, 128.0),
        ("max_tokens", 1.0, f64::MAX),
        ("max_completion_tokens", 1.0, f64::MAX),
        ("max_output_tokens", 16.0, f64::MAX),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
        ("top_logprobs", 0.0, 20.0),
        ("seed", f64::MIN, f64::MAX),
    ];
    for (field, least, most) in ranges {
        let value = &body[field];
        let fit = value.is_null()
            || value
                .as_f64()
                .is_some_and(|it| (least..=most).contains(&it));
        if !fit {
            return Err(invalid(field, value));
        }
    }
    if reasons(model) {
        if !body["max_tokens"].is_null() {
            let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
            return Err(Refusal::bad(message)
                .code("unsupported_parameter")
                .param("max_tokens"));
        }
        let temperature = &body["temperature"];
        if !temperature.is_null() && temperature.as_f64() != Some(1.0) {
            let message = format!(
                "Unsupported value: 'temperature' does not support {temperature} with this model. Only the default (1) value is supported."
            );
            return Err(Refusal::bad(message)
                .code("unsupported_value")
                .param("temperature"));
        }
    }
    if body["stop"].as_array().is_some_and(|it| it.len() > 4) {
        let message = "Invalid 'stop': array too long. Expected an array with maximum length 4.";
        return Err(Refusal::bad(message)
            .code("array_above_max_length")
            .param("stop"));
    }
    if !body["stream_options"].is_null() && body["stream"] != true {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::bad(message).param("stream_options"));
    }
    if !body["top_logprobs"].is_null() && body["messages"].is_array() && body["logprobs"] != true {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(Refusal::bad(message).param("top_logprobs"));
    }
    let tools = body["tools"].as_array().is_some_and(|it| !it.is_empty());
    for field in ["tool_choice", "parallel_tool_calls"] {
        // The Responses API allows them at any time.
        if !tools && body["messages"].is_array() && !body[field].is_null() {
            let message = format!(
                "Invalid value for '{field}': '{field}' is only allowed when 'tools' are specified."
            );
            return Err(Refusal::bad(message).param(field));
        }
    }
    Ok(())
}

/// Refuses results without calls, and calls without results.
pub(crate) fn turns(messages: &[Message]) -> Result<(), Refusal> {
    let mut waiting: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        if message.role == "tool" {
            for part in &message.parts {
                let Part::Result { id, .. } = part else {
                    continue;
                };
                let Some(at) = waiting.iter().position(|it| it == id) else {
                    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                    return Err(Refusal::bad(message).param(format!("messages.[{index}].role")));
                };
                waiting.remove(at);
            }
            continue;
        }
        unanswered(&waiting, index)?;
        let ids = message.parts.iter().filter_map(|part| match part {
            Part::Call { id, .. } => Some(id.as_str()),
            _ => None,
        });
        waiting = ids.collect();
    }
    unanswered(&waiting, messages.len())
}

fn unanswered(waiting: &[&str], index: usize) -> Result<(), Refusal> {
    if waiting.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        waiting.join(", ")
    );
    Err(Refusal::bad(message).param(format!("messages.[{index}].role")))
}

/// Reads the definition of a function.
pub(crate) fn tool(function: &Value, path: &str) -> Result<Tool, Refusal> {
    let name = function["name"].as_str().unwrap_or_default();
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        let message = format!(
            "Invalid '{path}.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        );
        return Err(Refusal::bad(message)
            .code("invalid_value")
            .param(format!("{path}.name")));
    }
    let parameters = &function["parameters"];
    if parameters.is_object() && parameters["type"] != "object" {
        let message = format!(
            "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: {}'.",
            parameters["type"]
        );
        let code = "invalid_function_parameters";
        return Err(Refusal::bad(message)
            .code(code)
            .param(format!("{path}.parameters")));
    }
    schema(
        parameters,
        function["strict"] == true,
        "function",
        &function["name"],
    )?;
    Ok(Tool::new(
        &function["name"],
        &function["description"],
        parameters,
    ))
}

/// Refuses a choice of tools that there are not.
pub(crate) fn chosen(asked: &Asked) -> Result<(), Refusal> {
    let names: HashSet<_> = asked.tools.iter().map(|tool| &tool.name).collect();
    if let Choice::Of(chosen) | Choice::Among(chosen) = &asked.choice
        && let Some(name) = chosen.iter().find(|name| !names.contains(name))
    {
        let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
        return Err(Refusal::bad(message).param("tool_choice"));
    }
    Ok(())
}

/// Refuses JSON that the messages do not ask for.
pub(crate) fn says_json(asked: &Asked) -> Result<(), Refusal> {
    let says = |text: &str| text.to_ascii_lowercase().contains("json");
    let parts = asked.messages.iter().flat_map(|it| &it.parts);
    let mut texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    if matches!(asked.format, Format::Json)
        && !asked.system.iter().any(|it| says(it))
        && !texts.any(|it| says(it))
    {
        let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
        return Err(Refusal::bad(message).param("messages"));
    }
    Ok(())
}

/// Refuses a strict schema that leaves open what an object may hold.
pub(crate) fn schema(
    schema: &Value,
    strict: bool,
    what: &str,
    name: &Value,
) -> Result<(), Refusal> {
    let name = name.as_str().unwrap_or_default();
    if strict && open(schema) {
        let message = format!(
            "Invalid schema for {what} '{name}': In context=(), 'additionalProperties' is required to be supplied and to be false."
        );
        let code = if what == "function" {
            "invalid_function_parameters"
        } else {
            "invalid_json_schema"
        };
        return Err(Refusal::bad(message).code(code).param(what));
    }
    Ok(())
}

fn open(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            let object = fields.get("type").is_some_and(|it| it == "object");
            object && fields.get("additionalProperties") != Some(&Value::Bool(false))
                || fields.values().any(open)
        }
        Value::Array(items) => items.iter().any(open),
        _ => false,
    }
}

pub(crate) fn missing(field: &str) -> Refusal {
    let message = format!("Missing required parameter: '{field}'.");
    Refusal::bad(message)
        .code("missing_required_parameter")
        .param(field)
}

pub(crate) fn invalid(field: &str, value: &Value) -> Refusal {
    let shown: String = value.to_string().chars().take(60).collect();
    let message = format!("Invalid value for '{field}': {shown}.");
    Refusal::bad(message).code("invalid_value").param(field)
}
