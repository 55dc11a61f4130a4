use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::Input;
use crate::{
    canon::{Carried, Part, Role, Turn},
    json::{self, Path},
    openai::responses::content::{self, Whose},
};

impl Input<'_> {
    /// Reads a `function_call`.
    pub(super) fn call(
        &mut self,
        fields: Map<String, Value>,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), Rejection> {
        let (mut id, mut name, mut arguments) = (None, None, None);
        for (key, value) in fields {
            let at = at.key(&key);
            match key.as_str() {
                "type" | "id" | "status" => {}
                _ if value.is_null() => {}
                "call_id" => id = Some(json::text(value, at)?),
                "name" => name = Some(json::text(value, at)?),
                "arguments" => arguments = Some(json::text(value, at)?),
                "caller" if value["type"] == "direct" => {}
                "async" if value == false => {}
                _ => self.ask.losses.field(at.to_string()),
            }
        }
        let id = id.ok_or_else(|| json::missing(at.key("call_id")))?;
        let name = name.ok_or_else(|| json::missing(at.key("name")))?;
        let arguments = arguments.ok_or_else(|| json::missing(at.key("arguments")))?;
        let (plain, carried) = Carried::from_id(&id);
        self.names.insert(plain, &name);
        self.said(index);
        // Where the reasoning items have come back, they say the same.
        if !self.signed {
            for (text, signature) in carried.thinking {
                self.signed = true;
                self.said(index).push(Part::thought(text, signature));
            }
        }
        self.called = true;
        self.said(index).push(Part::ToolCall {
            id: plain.to_owned(),
            name,
            arguments,
            signature: carried.signature,
            cached: false,
        });
        Ok(())
    }

    /// Reads a `function_call_output`.
    pub(super) fn output(
        &mut self,
        fields: Map<String, Value>,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), Rejection> {
        let (mut id, mut name, mut content) = (None, None, None);
        for (key, value) in fields {
            let at = at.key(&key);
            match key.as_str() {
                "type" | "id" | "status" => {}
                _ if value.is_null() => {}
                "call_id" => id = Some(json::text(value, at)?),
                "name" => name = Some(json::text(value, at)?),
                "output" => {
                    let losses = &mut self.ask.losses;
                    content = Some(content::read(value, at, Whose::User, losses)?);
                }
                "caller" if value["type"] == "direct" => {}
                _ => self.ask.losses.field(at.to_string()),
            }
        }
        let id = id.ok_or_else(|| json::missing(at.key("call_id")))?;
        let content = content.ok_or_else(|| json::missing(at.key("output")))?;
        let (plain, _) = Carried::from_id(&id);
        let called = self.names.name(plain);
        let result = Part::ToolResult {
            id: plain.to_owned(),
            name: called.or(name).unwrap_or_default(),
            content,
            is_error: false,
            cached: false,
        };
        // What was called at once is answered at once.
        match self.ask.turns.last_mut() {
            Some(turn) if matches!(turn.parts.last(), Some(Part::ToolResult { .. })) => {
                turn.parts.push(result);
            }
            _ => self.ask.turns.push(Turn {
                role: Role::User,
                parts: vec![result],
                at: index,
            }),
        }
        Ok(())
    }
}
