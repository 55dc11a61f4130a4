use serde_json::Value;

use crate::simulated::refusal::Refusal;

/// What a request may hold.
const REQUEST: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "stop_sequences",
    "stream",
    "metadata",
    "thinking",
    "output_config",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "speed",
    "temperature",
    "top_p",
    "top_k",
    "context_management",
    "mcp_servers",
    "betas",
];

/// What is said of sampling under the versions that still know it.
pub(crate) const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// What a block of each kind may hold, besides its type and its marks for caching.
const BLOCKS: &[(&str, &[&str])] = &[
    ("text", &["text", "citations"]),
    ("image", &["source"]),
    ("document", &["source", "title", "context", "citations"]),
    ("tool_use", &["id", "name", "input", "caller"]),
    ("tool_result", &["tool_use_id", "content", "is_error"]),
    ("thinking", &["thinking", "signature"]),
    ("redacted_thinking", &["data"]),
    (
        "search_result",
        &["source", "title", "content", "citations"],
    ),
];

/// What a tool may hold.
const TOOL: &[&str] = &[
    "name",
    "description",
    "input_schema",
    "strict",
    "type",
    "cache_control",
    "allowed_callers",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
];

/// Refuses what the API does not know.
pub(crate) fn known(body: &Value) -> Result<(), Refusal> {
    only(body, REQUEST, "")?;
    only(&body["metadata"], &["user_id"], "metadata.")?;
    only(
        &body["output_config"],
        &["effort", "format", "task_budget"],
        "output_config.",
    )?;
    let thinking = ["type", "budget_tokens", "display"];
    only(&body["thinking"], &thinking, "thinking.")?;
    let choice = ["type", "name", "disable_parallel_tool_use"];
    only(&body["tool_choice"], &choice, "tool_choice.")?;
    for (index, tool) in items(&body["tools"]).enumerate() {
        if tool["type"].is_null() || tool["type"] == "custom" {
            only(tool, TOOL, &format!("tools.{index}.custom."))?;
        }
    }
    for (index, message) in items(&body["messages"]).enumerate() {
        let path = format!("messages.{index}.");
        only(message, &["role", "content"], &path)?;
        for (at, block) in items(&message["content"]).enumerate() {
            self::block(block, &format!("{path}content.{at}"))?;
            for (inner, block) in items(&block["content"]).enumerate() {
                self::block(
                    block,
                    &format!("{path}content.{at}.tool_result.content.{inner}"),
                )?;
            }
        }
    }
    Ok(())
}

fn block(block: &Value, path: &str) -> Result<(), Refusal> {
    let kind = block["type"].as_str().unwrap_or_default();
    let Some((_, fields)) = BLOCKS.iter().find(|(it, _)| *it == kind) else {
        return match kind {
            "" => Err(Refusal::bad(format!("{path}.type: Field required"))),
            // Blocks of tools that the provider runs have fields of their own.
            _ if kind.contains("_tool_") || kind == "server_tool_use" => Ok(()),
            _ => Err(Refusal::bad(format!(
                "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'document', 'image', 'redacted_thinking', 'search_result', 'text', 'thinking', 'tool_result', 'tool_use'"
            ))),
        };
    };
    let all: Vec<_> = fields
        .iter()
        .copied()
        .chain(["type", "cache_control"])
        .collect();
    only(block, &all, &format!("{path}.{kind}."))
}

fn only(value: &Value, fields: &[&str], path: &str) -> Result<(), Refusal> {
    let extra = value
        .as_object()
        .and_then(|it| it.keys().find(|key| !fields.contains(&key.as_str())));
    match extra {
        Some(field) => Err(Refusal::bad(format!(
            "{path}{field}: Extra inputs are not permitted"
        ))),
        None => Ok(()),
    }
}

pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
