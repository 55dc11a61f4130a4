use serde_json::Value;
use tollgate_core::Rejection;

use super::{
    call::{self, Called},
    part_read::{self, Whose},
};
use crate::{
    canon::{self, Ask, Carried, Losses, Part, Role, Turn},
    json::{self, Path},
};

/// Reads `messages` into the instructions and the turns.
pub(super) fn read(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    let messages = json::list(value, at)?;
    if messages.is_empty() {
        return Err(json::unfit(at, "a list of at least one message"));
    }
    // Results name only the call's id; other dialects want the tool's name with it.
    let mut names = canon::Called::default();
    for (index, value) in messages.into_iter().enumerate() {
        let at = at.index(index);
        let mut message = Message::read(value, at, &mut ask.losses)?;
        let (role, parts) = match message.role.as_str() {
            "system" | "developer" => {
                let parts = message.content(at, Whose::System, &mut ask.losses)?;
                ask.system.extend(parts);
                message.rest(at, &mut ask.losses);
                continue;
            }
            "user" => (
                Role::User,
                message.content(at, Whose::User, &mut ask.losses)?,
            ),
            "assistant" => (
                Role::Assistant,
                message.answer(at, &mut names, &mut ask.losses)?,
            ),
            "tool" => {
                let result = message.result(at, &names, &mut ask.losses)?;
                (Role::User, vec![result])
            }
            // Functions are not translated, and so neither is what they found.
            "function" => {
                ask.losses.field(at.to_string());
                continue;
            }
            _ => {
                let expected = "system, developer, user, assistant or tool";
                return Err(json::unfit(at.key("role"), expected));
            }
        };
        message.rest(at, &mut ask.losses);
        if !parts.is_empty() {
            ask.turns.push(Turn {
                role,
                parts,
                at: index,
            });
        }
    }
    Ok(())
}

/// The fields of a message; those that are taken are null.
#[derive(Default)]
struct Message {
    role: String,
    content: Value,
    refusal: Value,
    reasoning: Value,
    tool_calls: Value,
    tool_call_id: Value,
    name: Value,
}

impl Message {
    fn read(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Self, Rejection> {
        let mut message = Self::default();
        for (key, value) in json::object(value, at)? {
            let at = at.key(&key);
            match key.as_str() {
                _ if value.is_null() => {}
                "role" => message.role = json::text(value, at)?,
                "content" => message.content = value,
                "refusal" => message.refusal = value,
                // What compatible servers call it; SDKs send it back as they got it.
                "reasoning_content" | "reasoning" => message.reasoning = value,
                "tool_calls" => message.tool_calls = value,
                "tool_call_id" => message.tool_call_id = value,
                "name" => message.name = value,
                // An answer sent back as it came has an empty list here.
                "annotations" if value.as_array().is_some_and(Vec::is_empty) => {}
                "annotations" | "cache_control" => losses.hint(at.to_string()),
                _ => losses.field(at.to_string()),
            }
        }
        if message.role.is_empty() {
            return Err(json::missing(at.key("role")));
        }
        Ok(message)
    }

    fn content(
        &mut self,
        at: Path<'_>,
        whose: Whose,
        losses: &mut Losses,
    ) -> Result<Vec<Part>, Rejection> {
        let at = at.key("content");
        match self.content.take() {
            Value::Null if whose != Whose::Assistant => Err(json::missing(at)),
            content => part_read::parts(content, at, whose, losses),
        }
    }

    /// The parts of an assistant's message: thoughts first, tool calls last.
    fn answer(
        &mut self,
        at: Path<'_>,
        names: &mut canon::Called,
        losses: &mut Losses,
    ) -> Result<Vec<Part>, Rejection> {
        let mut parts = Vec::new();
        let calls = match self.tool_calls.take() {
            Value::Null => Vec::new(),
            value => call::calls(value, at.key("tool_calls"), losses)?,
        };
        let mut carried: Vec<Carried> = Vec::with_capacity(calls.len());
        let mut plain = Vec::with_capacity(calls.len());
        for call in calls {
            let (id, note) = Carried::from_id(&call.id);
            carried.push(note);
            plain.push(Called {
                id: id.to_owned(),
                ..call
            });
        }
        let signed = carried.iter().any(|note| !note.thinking.is_empty());
        if let Some(text) = some_text(self.reasoning.take(), at.key("reasoning_content"))?
            && !signed
        {
            parts.push(Part::Thinking {
                text,
                signature: None,
            });
        }
        // What was thought before the first call was thought before the text: Anthropic wants it to stand first.
        if let Some(note) = carried.first_mut() {
            parts.extend(thoughts(note));
        }
        parts.extend(self.content(at, Whose::Assistant, losses)?);
        if let Some(text) = some_text(self.refusal.take(), at.key("refusal"))? {
            parts.push(Part::Refusal(text));
        }
        for (call, mut note) in plain.into_iter().zip(carried) {
            parts.extend(thoughts(&mut note));
            names.insert(&call.id, &call.name);
            parts.push(Part::ToolCall {
                id: call.id,
                name: call.name,
                arguments: call.arguments,
                signature: note.signature,
                cached: false,
            });
        }
        Ok(parts)
    }

    fn result(
        &mut self,
        at: Path<'_>,
        names: &canon::Called,
        losses: &mut Losses,
    ) -> Result<Part, Rejection> {
        let id_at = at.key("tool_call_id");
        let id = match self.tool_call_id.take() {
            Value::Null => return Err(json::missing(id_at)),
            id => json::text(id, id_at)?,
        };
        let (id, _) = Carried::from_id(&id);
        let name = match self.name.take() {
            Value::String(name) => name,
            _ => names.name(id).unwrap_or_default(),
        };
        let mut content = self.content(at, Whose::Tool, losses)?;
        let mut cached = false;
        for part in &mut content {
            // A mark ends what is cached, and inside a result nothing else follows.
            if let Part::Text { cached: mark, .. } = part {
                cached |= std::mem::take(mark);
            }
        }
        Ok(Part::ToolResult {
            id: id.to_owned(),
            name,
            content,
            is_error: false,
            cached,
        })
    }

    /// Names what a message of this role has no use for.
    fn rest(self, at: Path<'_>, losses: &mut Losses) {
        for (name, value) in [
            ("refusal", self.refusal),
            ("reasoning_content", self.reasoning),
            ("tool_calls", self.tool_calls),
            ("tool_call_id", self.tool_call_id),
            ("name", self.name),
        ] {
            if !value.is_null() {
                losses.field(at.key(name).to_string());
            }
        }
    }
}

fn thoughts(note: &mut Carried) -> impl Iterator<Item = Part> {
    let thoughts = std::mem::take(&mut note.thinking);
    thoughts
        .into_iter()
        .map(|(text, signature)| Part::thought(text, signature))
}

/// A text that is there and says something.
fn some_text(value: Value, at: Path<'_>) -> Result<Option<String>, Rejection> {
    match value {
        Value::Null => Ok(None),
        value => Ok(Some(json::text(value, at)?).filter(|text| !text.is_empty())),
    }
}

#[cfg(test)]
mod tests;
