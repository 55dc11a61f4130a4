use serde_json::{Value, json};

use super::{
    messages::{common, pays, reasons},
    parts::{parts, string, texts},
    rules,
};
use crate::simulated::{
    asked::{Asked, Choice, Format, Message, Part},
    refusal::Refusal,
};

/// Reads a request of the Responses API.
pub(crate) fn items(body: &Value) -> Result<Asked, Refusal> {
    rules::settings(body)?;
    let mut asked = common(body);
    if let Some(text) = body["instructions"].as_str() {
        asked.system.push(text.to_owned());
    }
    match &body["input"] {
        Value::String(text) => {
            asked.messages.push(Message {
                role: "user",
                parts: vec![Part::Text(text.clone())],
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                add(&mut asked, item, &format!("input[{index}]"))?;
            }
        }
        Value::Null => return Err(rules::missing("input")),
        other => return Err(rules::invalid("input", other)),
    }
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        // What the provider runs by itself is not called here.
        if tool["type"] == "function" || tool["type"] == "custom" {
            asked
                .tools
                .push(rules::tool(tool, &format!("tools[{index}]"))?);
        }
    }
    let choice = &body["tool_choice"];
    let names = |tools: &Value| {
        tools
            .as_array()
            .into_iter()
            .flatten()
            .map(|tool| string(&tool["name"]))
            .collect::<Vec<_>>()
    };
    asked.choice = match (choice.as_str(), choice["type"].as_str()) {
        (Some("none"), _) => Choice::None,
        (Some("required"), _) => Choice::Any,
        (_, Some("allowed_tools")) if choice["mode"] == "required" => {
            Choice::Of(names(&choice["tools"]))
        }
        (_, Some("allowed_tools")) => Choice::Among(names(&choice["tools"])),
        (_, Some("function" | "custom")) => Choice::Of(vec![string(&choice["name"])]),
        _ => Choice::Auto,
    };
    rules::chosen(&asked)?;
    let format = &body["text"]["format"];
    asked.format = match format["type"].as_str() {
        Some("json_object") => Format::Json,
        Some("json_schema") => {
            rules::schema(
                &format["schema"],
                format["strict"] == true,
                "text.format.schema",
                &format["name"],
            )?;
            Format::Schema(format["schema"].clone())
        }
        _ => Format::Text,
    };
    rules::says_json(&asked)?;
    let effort = &body["reasoning"]["effort"];
    asked.reasons = match effort.as_str() {
        Some(effort) => effort != "none",
        None => reasons(&asked.model) || body["reasoning"]["summary"].is_string(),
    };
    if body["reasoning"].is_object() {
        asked
            .params
            .insert("reasoning".into(), body["reasoning"].clone());
    }
    for name in ["previous_response_id", "conversation", "background"] {
        if !body[name].is_null() {
            asked.params.insert(name.into(), body[name].clone());
        }
    }
    asked.keep_prefix(pays(body));
    Ok(asked)
}

fn add(asked: &mut Asked, item: &Value, path: &str) -> Result<(), Refusal> {
    let kind = item["type"].as_str().unwrap_or("message");
    let (role, part) = match kind {
        "message" => {
            let content = parts(&item["content"], path)?;
            let role = match item["role"].as_str() {
                Some("system" | "developer") => {
                    asked.system.push(texts(&content));
                    return Ok(());
                }
                Some("user") => "user",
                Some("assistant") => "assistant",
                _ => return Err(rules::invalid(&format!("{path}.role"), &item["role"])),
            };
            asked.messages.push(Message {
                role,
                parts: content,
            });
            return Ok(());
        }
        "function_call" | "custom_tool_call" => {
            let arguments = if kind == "function_call" {
                &item["arguments"]
            } else {
                &item["input"]
            };
            let part = Part::Call {
                id: string(&item["call_id"]),
                name: string(&item["name"]),
                arguments: string(arguments),
                signed: false,
            };
            ("assistant", part)
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = string(&item["call_id"]);
            let called = asked.messages.iter().flat_map(|it| &it.parts);
            let known = called
                .into_iter()
                .any(|part| matches!(part, Part::Call { id: it, .. } if *it == id));
            // With a response to go on from, the call may stand there.
            if !known && !asked.params.contains_key("previous_response_id") {
                let message =
                    format!("No tool call found for function call output with call_id {id}.");
                return Err(Refusal::bad(message).param("input"));
            }
            let name = asked.name_of(&id);
            let text = match &item["output"] {
                Value::String(text) => text.clone(),
                Value::Array(_) => texts(&parts(&item["output"], path)?),
                other => other.to_string(),
            };
            (
                "tool",
                Part::Result {
                    id,
                    name,
                    text,
                    error: false,
                },
            )
        }
        "reasoning" => {
            let summary = item["summary"].as_array().into_iter().flatten();
            let text = summary
                .map(|part| string(&part["text"]))
                .collect::<String>();
            (
                "assistant",
                Part::Thinking {
                    text,
                    signed: item["encrypted_content"].is_string(),
                },
            )
        }
        "item_reference" => return Ok(()),
        _ => {
            let message = format!(
                "Invalid value: '{kind}'. Supported values are: 'message', 'function_call', 'function_call_output', 'reasoning' and others."
            );
            return Err(Refusal::bad(message)
                .code("invalid_value")
                .param(format!("{path}.type")));
        }
    };
    match asked.messages.last_mut() {
        Some(last) if last.role == role && role == "assistant" => last.parts.push(part),
        _ => asked.messages.push(Message {
            role,
            parts: vec![part],
        }),
    }
    Ok(())
}

/// What a response repeats of its request.
pub(crate) fn repeated(body: &Value) -> Value {
    let or = |name: &str, other: Value| match &body[name] {
        Value::Null => other,
        value => value.clone(),
    };
    json!({
        "background": or("background", json!(false)),
        "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"],
        "max_tool_calls": null,
        "metadata": or("metadata", json!({})),
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": or("reasoning", json!({ "effort": null, "summary": null })),
        "safety_identifier": body["safety_identifier"],
        "service_tier": "default",
        "store": or("store", json!(true)),
        "temperature": or("temperature", json!(1.0)),
        "text": or("text", json!({ "format": { "type": "text" }, "verbosity": "medium" })),
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_logprobs": 0,
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", json!("disabled")),
        "user": body["user"],
    })
}
