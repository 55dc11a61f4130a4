use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{fields::items, rules::Version};
use crate::simulated::{
    asked::{Asked, Part, Source},
    exchange::signature,
    refusal::Refusal,
};

/// Reads a block of a message, and what it holds.
pub(crate) fn block_of(
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

/// The text of a block, which must have one.
pub(crate) fn text(block: &Value, path: &str, whole: &str) -> Result<String, Refusal> {
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

pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
