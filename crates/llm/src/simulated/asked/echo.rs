use serde_json::{Value, json};

use super::{Asked, Choice, Format, Message, Part, Source, Tool};

impl Asked {
    /// All that was understood, as one JSON object.
    pub(crate) fn echo(&self) -> Value {
        let message = |message: &Message| {
            let parts: Vec<_> = message.parts.iter().map(Part::echo).collect();
            json!({ "role": message.role, "parts": parts })
        };
        let tool = |tool: &Tool| json!({ "name": tool.name, "description": tool.description, "schema": tool.schema });
        json!({
            "model": self.model,
            "system": self.system,
            "messages": self.messages.iter().map(message).collect::<Vec<_>>(),
            "tools": self.tools.iter().map(tool).collect::<Vec<_>>(),
            "tool_choice": match &self.choice {
                Choice::Auto => json!("auto"),
                Choice::None => json!("none"),
                Choice::Any => json!("any"),
                Choice::Of(names) => json!({ "any_of": names }),
                Choice::Among(names) => json!({ "auto_of": names }),
            },
            "parallel": !self.alone,
            "format": match &self.format {
                Format::Text => json!("text"),
                Format::Json => json!("json"),
                Format::Schema(schema) => schema.clone(),
            },
            "reasons": self.reasons,
            "params": self.params,
        })
    }
}

impl Part {
    fn echo(&self) -> Value {
        match self {
            Self::Text(text) => json!({ "text": text }),
            Self::Media(kind, Source::Inline { media_type, bytes }) => {
                json!({ *kind: { "media_type": media_type, "bytes": bytes } })
            }
            Self::Media(kind, Source::At(url)) => json!({ *kind: { "url": url } }),
            Self::Call {
                id,
                name,
                arguments,
                signed,
            } => {
                // Arguments that are no JSON are shown as the text that they are.
                let arguments =
                    serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments));
                json!({ "call": { "id": id, "name": name, "arguments": arguments, "signed": signed } })
            }
            Self::Result {
                id,
                name,
                text,
                error,
            } => {
                json!({ "result": { "id": id, "name": name, "text": text, "error": error } })
            }
            Self::Thinking { text, signed } => {
                json!({ "thinking": { "text": text, "signed": signed } })
            }
        }
    }
}
