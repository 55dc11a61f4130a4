mod media;

use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Media, Part},
    json::{self, Path},
};

/// Whose content it is, which decides on what may stand in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    System,
    User,
    Assistant,
    Tool,
}

/// Reads a message's `content`. Texts that are empty say nothing.
pub(super) fn parts(
    value: Value,
    at: Path<'_>,
    whose: Whose,
    losses: &mut Losses,
) -> Result<Vec<Part>, Rejection> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(values) => {
            let mut parts = Vec::with_capacity(values.len());
            for (index, value) in values.into_iter().enumerate() {
                let at = at.index(index);
                parts.extend(part(json::object(value, at)?, at, whose, losses)?);
            }
            Ok(parts)
        }
        _ => Err(json::unfit(at, "a string or a list of parts")),
    }
}

fn part(
    mut fields: Map<String, Value>,
    at: Path<'_>,
    whose: Whose,
    losses: &mut Losses,
) -> Result<Option<Part>, Rejection> {
    let kind = fields.get_mut("type").map(Value::take).unwrap_or_default();
    let kind = json::text(kind, at.key("type"))?;
    let allowed: &[&str] = match whose {
        Whose::System => &["text"],
        Whose::User | Whose::Tool => &["text", "image_url", "input_audio", "file"],
        Whose::Assistant => &["text", "refusal", "thinking"],
    };
    if !allowed.contains(&kind.as_str()) {
        return Err(json::unfit(at.key("type"), &allowed.join(", ")));
    }
    let (mut said, mut cached) = (None, false);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            // Each kind of part says what it has to say in a field of its own name.
            key if key == kind => said = Some(value),
            "cache_control" | "prompt_cache_breakpoint" => {
                cached = true;
                mark(json::object(value, at)?, at, losses);
            }
            _ => losses.field(at.to_string()),
        }
    }
    let inner = at.key(&kind);
    let said = said.ok_or_else(|| json::missing(inner))?;
    let read = match kind.as_str() {
        "text" => {
            let text = json::text(said, inner)?;
            return Ok((!text.is_empty()).then_some(Part::Text { text, cached }));
        }
        "refusal" => return Ok(Some(Part::Refusal(json::text(said, inner)?))),
        "thinking" => {
            return Ok(Some(Part::Thinking {
                text: thinking(said, inner, losses)?,
                signature: None,
            }));
        }
        "image_url" => Some(media::image(json::object(said, inner)?, inner, losses)?),
        "input_audio" => Some(media::audio(json::object(said, inner)?, inner, losses)?),
        _ => media::file(json::object(said, inner)?, inner, losses)?,
    };
    Ok(read.map(|media| Part::Media(Media { cached, ..media })))
}

/// Where the cache's end is marked, for how long is Anthropic's matter.
fn mark(fields: Map<String, Value>, at: Path<'_>, losses: &mut Losses) {
    for (key, value) in fields {
        match key.as_str() {
            "type" if value == "ephemeral" => {}
            "mode" if value == "explicit" => {}
            "ttl" if value == "5m" || value.is_null() => {}
            _ => losses.hint(at.key(&key).to_string()),
        }
    }
}

/// Mistral's: a text, or a list of texts.
fn thinking(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<String, Rejection> {
    let mut all = String::new();
    for part in parts(value, at, Whose::System, losses)? {
        if let Part::Text { text, .. } = part {
            all.push_str(&text);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
