use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    fields::items,
    rules::{self, Version, prefills},
};
use crate::simulated::{
    asked::{Asked, Caching, Choice, Format, Hash, Message, Part, Source, Tool, tokens},
    exchange::signature,
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

fn block_of(
    asked: &Asked,
    block: &Value,
    role: &str,
    version: Version,
    path: &str,
    parts: &mut Vec<Part>,
) -> Result<(), Refusal> {
    let kind = block["type"].as_str().unwrap_or_default();
    let part = match kind {
        "text" => {
            let cited = items(&block["citations"]).next().is_some();
            if version == Version::V2026 && role == "user" && cited {
                return Err(Refusal::bad(format!(
                    "{path}.text.citations: citations are not permitted in user messages"
                )));
            }
            Part::Text(text(block, path, "messages")?)
        }
        "image" => Part::Media("image", source(&block["source"], path)?),
        "document" if role == "assistant" && version == Version::V2026 => {
            return Err(Refusal::bad(format!(
                "{path}: document blocks are not permitted in assistant messages"
            )));
        }
        "document" => Part::Media("file", source(&block["source"], path)?),
        "tool_use" if role == "assistant" => {
            if !block["input"].is_object() {
                return Err(Refusal::bad(format!(
                    "{path}.tool_use.input: Input should be a valid dictionary"
                )));
            }
            Part::Call {
                id: string(&block["id"]),
                name: string(&block["name"]),
                arguments: block["input"].to_string(),
                signed: false,
            }
        }
        "tool_result" if role == "user" => {
            let id = string(&block["tool_use_id"]);
            let mut said = Vec::new();
            let mut media = Vec::new();
            if let Value::String(text) = &block["content"] {
                said.push(text.clone());
            }
            for (at, inner) in items(&block["content"]).enumerate() {
                let path = format!("{path}.tool_result.content.{at}");
                match inner["type"].as_str() {
                    Some("text") => said.push(text(inner, &path, "messages")?),
                    Some("image") => {
                        media.push(Part::Media("image", source(&inner["source"], &path)?))
                    }
                    _ => media.push(Part::Media("file", source(&inner["source"], &path)?)),
                }
            }
            let name = asked.name_of(&id);
            let error = block["is_error"] == true;
            parts.push(Part::Result {
                id,
                name,
                text: said.join("\n"),
                error,
            });
            parts.extend(media);
            return Ok(());
        }
        "thinking" if role == "assistant" => {
            let thinking = string(&block["thinking"]);
            if block["signature"] != json!(signature(&thinking)) {
                return Err(Refusal::bad(format!(
                    "{path}: Invalid `signature` in `thinking` block"
                )));
            }
            Part::Thinking {
                text: thinking,
                signed: true,
            }
        }
        "redacted_thinking" if role == "assistant" => Part::Thinking {
            text: String::new(),
            signed: true,
        },
        "tool_use" | "tool_result" | "thinking" | "redacted_thinking" => {
            let message =
                format!("messages: `{kind}` blocks can not be in `{role}` messages ({path})");
            return Err(Refusal::bad(message));
        }
        _ => return Ok(()),
    };
    parts.push(part);
    Ok(())
}

fn text(block: &Value, path: &str, whole: &str) -> Result<String, Refusal> {
    match block["text"].as_str() {
        None => Err(Refusal::bad(format!("{path}.text.text: Field required"))),
        Some("") => Err(Refusal::bad(format!(
            "{whole}: text content blocks must be non-empty"
        ))),
        Some(text) if text.trim().is_empty() => Err(Refusal::bad(format!(
            "{whole}: text content blocks must contain non-whitespace text"
        ))),
        Some(text) => Ok(text.to_owned()),
    }
}

fn source(source: &Value, path: &str) -> Result<Source, Refusal> {
    Ok(match source["type"].as_str() {
        Some("base64") => {
            let media_type = string(&source["media_type"]);
            let known = [
                "image/jpeg",
                "image/png",
                "image/gif",
                "image/webp",
                "application/pdf",
            ];
            if !known.contains(&media_type.as_str()) {
                let message = format!(
                    "{path}.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
                );
                return Err(Refusal::bad(message));
            }
            let bytes = source["data"]
                .as_str()
                .and_then(|data| BASE64_STANDARD.decode(data).ok());
            let Some(bytes) = bytes else {
                return Err(Refusal::bad(format!(
                    "{path}.source.base64.data: Invalid base64 data"
                )));
            };
            Source::Inline {
                media_type,
                bytes: bytes.len(),
            }
        }
        Some("text") => Source::Inline {
            media_type: string(&source["media_type"]),
            bytes: source["data"].as_str().map_or(0, str::len),
        },
        Some("url") => Source::At(string(&source["url"])),
        Some("file") => Source::At(string(&source["file_id"])),
        Some("content") => Source::At("content".into()),
        _ => {
            return Err(Refusal::bad(format!(
                "{path}.source: Input tag does not match any of the expected tags: 'base64', 'file', 'url'"
            )));
        }
    })
}

/// Refuses calls that are not answered at once, and answers to what was not called.
fn turns(asked: &Asked, thinks: bool) -> Result<(), Refusal> {
    let mut called: Vec<&str> = Vec::new();
    for (index, message) in asked.messages.iter().enumerate() {
        let mut left = called.clone();
        let mut other = false;
        for (at, part) in message.parts.iter().enumerate() {
            let Part::Result { id, .. } = part else {
                other |= !matches!(part, Part::Media(..));
                continue;
            };
            if !called.contains(&id.as_str()) {
                return Err(Refusal::bad(format!(
                    "messages.{index}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            }
            let Some(place) = left.iter().position(|it| it == id) else {
                return Err(Refusal::bad(format!(
                    "messages.{index}.content.{at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
                )));
            };
            // A result that stands behind a text is not seen.
            if !other {
                left.remove(place);
            }
        }
        if !left.is_empty() {
            return Err(Refusal::bad(format!(
                "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                index.saturating_sub(1),
                left.join(", ")
            )));
        }
        called.clear();
        for part in &message.parts {
            let Part::Call { id, .. } = part else {
                continue;
            };
            if called.contains(&id.as_str()) {
                return Err(Refusal::bad("messages: `tool_use` ids must be unique"));
            }
            called.push(id);
        }
        let unthought =
            !called.is_empty() && !matches!(message.parts.first(), Some(Part::Thinking { .. }));
        if thinks && unthought && index + 2 >= asked.messages.len() {
            return Err(Refusal::bad(format!(
                "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
            )));
        }
    }
    match called.is_empty() {
        true => Ok(()),
        false => Err(Refusal::bad(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
            asked.messages.len() - 1,
            called.join(", ")
        ))),
    }
}

/// What stands before the last mark for caching.
struct Mark {
    hash: Hash,
    tokens: u64,
    caching: Option<Caching>,
}

impl Mark {
    fn new(model: &str) -> Self {
        Self {
            hash: Hash::new().add(model),
            tokens: 0,
            caching: None,
        }
    }

    fn add(&mut self, text: &str) {
        self.hash = self.hash.add(text);
        self.tokens += tokens(text);
    }

    fn pass(&mut self, block: &Value) {
        let mut bare = block.clone();
        // The mark is no part of what it marks.
        let mark = bare
            .as_object_mut()
            .and_then(|it| it.remove("cache_control"));
        self.add(&bare.to_string());
        if let Some(mark) = mark.filter(Value::is_object) {
            self.here(&mark);
        }
    }

    fn here(&mut self, mark: &Value) {
        let (hash, tokens, hour) = (self.hash.0, self.tokens, mark["ttl"] == "1h");
        self.caching = Some(Caching {
            hash,
            tokens,
            pays: true,
            hour,
        });
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
