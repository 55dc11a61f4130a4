use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::{
    media::{self, take},
    signature,
};
use crate::{
    canon::{Called, Carried, Losses, Part, Role},
    json::{self, Path},
};

/// Reads what messages consist of.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) losses: Losses,
    calls: Called,
}

impl Blocks {
    /// Reads a text or a list of blocks.
    pub(super) fn content(
        &mut self,
        content: Value,
        at: Path<'_>,
        role: Role,
    ) -> Result<Vec<Part>, Rejection> {
        if let Value::String(text) = content {
            return Ok(vec![Part::text(text)]);
        }
        let blocks = json::list(content, at)?;
        let mut parts = Vec::with_capacity(blocks.len());
        for (index, block) in blocks.into_iter().enumerate() {
            let at = at.index(index);
            self.block(json::object(block, at)?, at, role, &mut parts)?;
        }
        Ok(parts)
    }

    /// Reads a text or text blocks, as instructions are.
    pub(super) fn texts(&mut self, content: Value, at: Path<'_>) -> Result<Vec<Part>, Rejection> {
        let mut parts = self.content(content, at, Role::User)?;
        if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
            return Err(json::unfit(at, "a string or a list of text blocks"));
        }
        parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.is_empty()));
        Ok(parts)
    }

    fn block(
        &mut self,
        mut fields: Map<String, Value>,
        at: Path<'_>,
        role: Role,
        parts: &mut Vec<Part>,
    ) -> Result<(), Rejection> {
        let kind = take(&mut fields, "type", at)?;
        let by_model = matches!(&*kind, "tool_use" | "thinking" | "redacted_thinking");
        if by_model && role != Role::Assistant || kind == "tool_result" && role != Role::User {
            let message = format!("`{at}` cannot be a `{kind}` block in a message of this role");
            return Err(json::wrong(at, message));
        }
        let cached = self.mark(&mut fields, at)?;
        match &*kind {
            "text" => {
                let text = take(&mut fields, "text", at)?;
                if let Some(citations) = fields.remove("citations")
                    && citations.as_array().is_none_or(|them| !them.is_empty())
                    && !citations.is_null()
                {
                    self.losses.hint(at.key("citations").to_string());
                }
                parts.push(Part::Text { text, cached });
            }
            "image" | "document" => {
                let is_image = kind == "image";
                self.media(&mut fields, at, is_image, cached, parts)?;
            }
            "tool_use" => self.tool_use(&mut fields, at, cached, parts)?,
            "tool_result" => self.tool_result(&mut fields, at, cached, parts)?,
            "thinking" => {
                let signature = take(&mut fields, "signature", at)?;
                parts.push(Part::Thinking {
                    text: take(&mut fields, "thinking", at)?,
                    signature: signature::unseal(signature),
                });
            }
            "redacted_thinking" => {
                let data = signature::unseal(take(&mut fields, "data", at)?);
                parts.extend(data.map(Part::Redacted));
            }
            // What the provider's own tools did, and what is not known yet.
            _ => {
                self.losses.field(at.to_string());
                return Ok(());
            }
        }
        self.losses.rest(fields, at);
        Ok(())
    }

    fn media(
        &mut self,
        fields: &mut Map<String, Value>,
        at: Path<'_>,
        is_image: bool,
        cached: bool,
        parts: &mut Vec<Part>,
    ) -> Result<(), Rejection> {
        let from = at.key("source");
        let source = fields.remove("source").ok_or_else(|| json::missing(from))?;
        let title = fields.remove("title").filter(|it| !it.is_null());
        let name = title.map(|it| json::text(it, at.key("title")));
        let name = name.transpose()?.filter(|_| !is_image);
        if fields.get("citations") == Some(&serde_json::json!({ "enabled": false })) {
            fields.remove("citations");
        }
        if let Some(media) = media::read(source, from, is_image, &mut self.losses)? {
            parts.push(Part::Media(crate::canon::Media {
                name,
                cached,
                ..media
            }));
        }
        Ok(())
    }

    fn tool_use(
        &mut self,
        fields: &mut Map<String, Value>,
        at: Path<'_>,
        cached: bool,
        parts: &mut Vec<Part>,
    ) -> Result<(), Rejection> {
        let id = take(fields, "id", at)?;
        let (id, carried) = Carried::from_id(&id);
        let name = take(fields, "name", at)?;
        let into = at.key("input");
        let input = fields.remove("input").ok_or_else(|| json::missing(into))?;
        let arguments = Value::Object(json::object(input, into)?).to_string();
        if fields.get("caller") == Some(&serde_json::json!({ "type": "direct" })) {
            fields.remove("caller");
        }
        self.calls.insert(id, &name);
        let thoughts = carried.thinking.into_iter();
        parts.extend(thoughts.map(|(text, signature)| Part::thought(text, signature)));
        parts.push(Part::ToolCall {
            id: id.to_owned(),
            name,
            arguments,
            signature: carried.signature,
            cached,
        });
        Ok(())
    }

    fn tool_result(
        &mut self,
        fields: &mut Map<String, Value>,
        at: Path<'_>,
        cached: bool,
        parts: &mut Vec<Part>,
    ) -> Result<(), Rejection> {
        let id = take(fields, "tool_use_id", at)?;
        let (id, _) = Carried::from_id(&id);
        let inside = at.key("content");
        let content = match fields.remove("content") {
            None | Some(Value::Null) => Vec::new(),
            Some(content) => self.content(content, inside, Role::User)?,
        };
        if content
            .iter()
            .any(|it| matches!(it, Part::ToolResult { .. }))
        {
            return Err(json::unfit(
                inside,
                "a string or a list of texts, images and documents",
            ));
        }
        let is_error = match fields.remove("is_error") {
            None | Some(Value::Null) => false,
            Some(flag) => json::flag(&flag, at.key("is_error"))?,
        };
        parts.push(Part::ToolResult {
            id: id.to_owned(),
            name: self.calls.name(id).unwrap_or_default(),
            content,
            is_error,
            cached,
        });
        Ok(())
    }

    /// Takes a mark for the provider's cache.
    pub(super) fn mark(
        &mut self,
        fields: &mut Map<String, Value>,
        at: Path<'_>,
    ) -> Result<bool, Rejection> {
        let at = at.key("cache_control");
        let mark = match fields.remove("cache_control") {
            None | Some(Value::Null) => return Ok(false),
            Some(mark) => json::object(mark, at)?,
        };
        for (name, value) in mark {
            match (&*name, value.as_str()) {
                ("type", Some("ephemeral")) | ("ttl", Some("5m")) => {}
                ("type", _) => return Err(json::unfit(at.key(&name), "`ephemeral`")),
                // It is cached, but not for so long.
                _ => self.losses.hint(at.key(&name).to_string()),
            }
        }
        Ok(true)
    }
}
