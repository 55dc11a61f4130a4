mod call;
mod reasoning;

use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::content::{self, Whose};
use crate::{
    canon::{Ask, Called, Part, Role, Turn},
    json::{self, Path},
};

/// Reads `input`: a text, or the items of a conversation.
pub(super) fn read(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    let items = match value {
        Value::String(text) => {
            ask.turns.push(Turn {
                role: Role::User,
                parts: vec![Part::text(text)],
                at: 0,
            });
            return Ok(());
        }
        Value::Array(items) => items,
        _ => return Err(json::unfit(at, "a string or a list of items")),
    };
    let mut input = Input {
        ask,
        names: Called::default(),
        called: false,
        signed: false,
    };
    for (index, value) in items.into_iter().enumerate() {
        let at = at.index(index);
        input.item(json::object(value, at)?, index, at)?;
    }
    Ok(())
}

/// The conversation as it is read.
struct Input<'a> {
    ask: &'a mut Ask,
    names: Called,
    /// Whether the assistant has called a tool in its last turn.
    called: bool,
    /// Whether its last turn has thinking that its provider wants back.
    signed: bool,
}

impl Input<'_> {
    fn item(
        &mut self,
        fields: Map<String, Value>,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), Rejection> {
        let kind = match fields.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Null) | None if fields.contains_key("role") => "message",
            Some(Value::Null) | None => "", // What it is was to be known from its id.
            Some(_) => return Err(json::unfit(at.key("type"), "a string")),
        };
        match kind {
            "message" => self.message(fields, index, at),
            "function_call" => self.call(fields, index, at),
            "function_call_output" => self.output(fields, index, at),
            "reasoning" => self.reasoning(fields, index, at),
            _ => {
                self.ask.losses.field(at.to_string());
                Ok(())
            }
        }
    }

    fn message(
        &mut self,
        fields: Map<String, Value>,
        index: usize,
        at: Path<'_>,
    ) -> Result<(), Rejection> {
        let (mut whose, mut content) = (None, None);
        for (key, value) in fields {
            let at = at.key(&key);
            match key.as_str() {
                // What an answer says about itself is no news to the next one.
                "type" | "id" | "status" => {}
                _ if value.is_null() => {}
                "role" => {
                    whose = Some(match value.as_str() {
                        Some("user") => Whose::User,
                        Some("assistant") => Whose::Assistant,
                        Some("system" | "developer") => Whose::System,
                        _ => return Err(json::unfit(at, ROLES)),
                    });
                }
                "content" => content = Some(value),
                "phase" => self.ask.losses.hint(at.to_string()),
                _ => self.ask.losses.field(at.to_string()),
            }
        }
        let whose = whose.ok_or_else(|| json::missing(at.key("role")))?;
        let at = at.key("content");
        let content = content.ok_or_else(|| json::missing(at))?;
        let parts = content::read(content, at, whose, &mut self.ask.losses)?;
        match whose {
            Whose::System => self.ask.system.extend(parts),
            _ if parts.is_empty() => {}
            Whose::User => self.ask.turns.push(Turn {
                role: Role::User,
                parts,
                at: index,
            }),
            Whose::Assistant => {
                if self.has_spoken() {
                    self.answer(index);
                }
                self.said(index).extend(parts);
            }
        }
        Ok(())
    }

    /// The assistant's turn that an item belongs to: items of one answer follow each other.
    fn said(&mut self, index: usize) -> &mut Vec<Part> {
        let last = self.ask.turns.last();
        if last.is_none_or(|turn| turn.role != Role::Assistant) {
            self.answer(index);
        }
        let last = self.ask.turns.len() - 1;
        &mut self.ask.turns[last].parts
    }

    /// Begins a turn of the assistant's.
    fn answer(&mut self, index: usize) {
        self.ask.turns.push(Turn {
            role: Role::Assistant,
            parts: Vec::new(),
            at: index,
        });
        (self.called, self.signed) = (false, false);
    }

    /// Whether the assistant's last turn ends with text and has no call, so that another message is another turn. Calls
    /// stay together, since their results answer one turn.
    fn has_spoken(&self) -> bool {
        let last = self.ask.turns.last();
        let last = last.filter(|turn| turn.role == Role::Assistant && !self.called);
        matches!(
            last.and_then(|turn| turn.parts.last()),
            Some(Part::Text { .. } | Part::Refusal(_))
        )
    }
}

const ROLES: &str = "one of user, assistant, system and developer";
