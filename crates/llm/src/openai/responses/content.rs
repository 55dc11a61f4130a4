use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Media, Part, Source},
    json::{self, Path},
};

/// Whose content it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    User,
    Assistant,
    System,
}

/// Reads the content of a message or of what a tool found: a string, or a list of parts.
pub(super) fn read(
    value: Value,
    at: Path<'_>,
    whose: Whose,
    losses: &mut Losses,
) -> Result<Vec<Part>, Rejection> {
    let values = match value {
        Value::String(text) => return Ok(vec![Part::text(text)]),
        Value::Array(values) => values,
        _ => return Err(json::unfit(at, "a string or a list of parts")),
    };
    let mut parts = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let at = at.index(index);
        let fields = json::object(value, at)?;
        let kind = fields.get("type").and_then(Value::as_str);
        let Some(kind) = kind else {
            return Err(json::unfit(at.key("type"), "the type of the part"));
        };
        match (kind, whose) {
            ("input_text" | "output_text" | "text", _) => parts.push(text(fields, at, losses)?),
            ("refusal", Whose::Assistant) => parts.push(refusal(fields, at, losses)?),
            ("input_image", Whose::User) => parts.extend(image(fields, at, losses)?),
            ("input_file", Whose::User) => parts.extend(file(fields, at, losses)?),
            _ => losses.field(at.to_string()),
        }
    }
    Ok(parts)
}

fn text(fields: Map<String, Value>, at: Path<'_>, losses: &mut Losses) -> Result<Part, Rejection> {
    let (mut text, mut cached) = (None, false);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            "type" => {}
            _ if value.is_null() => {}
            "text" => text = Some(json::text(value, at)?),
            "prompt_cache_breakpoint" => cached = breakpoint(value, at, losses)?,
            // Told by a model about its own text, and no news to the next one.
            "logprobs" => {}
            "annotations" => {
                if !json::list(value, at)?.is_empty() {
                    losses.hint(at.to_string());
                }
            }
            _ => losses.field(at.to_string()),
        }
    }
    let text = text.ok_or_else(|| json::missing(at.key("text")))?;
    Ok(Part::Text { text, cached })
}

fn refusal(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Part, Rejection> {
    let mut refusal = None;
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            "type" => {}
            "refusal" => refusal = Some(json::text(value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    let refusal = refusal.ok_or_else(|| json::missing(at.key("refusal")))?;
    Ok(Part::Refusal(refusal))
}

/// Nothing if it is only named by an id, which stands for something kept at OpenAI.
fn image(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Part>, Rejection> {
    let (mut source, mut detail, mut cached) = (None, None, false);
    let mut elsewhere = false;
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            "type" => {}
            _ if value.is_null() => {}
            "image_url" => source = Some(located(json::text(value, at)?, at)?),
            "detail" if value == "auto" => {}
            "detail" => detail = Some(json::text(value, at)?),
            "prompt_cache_breakpoint" => cached = breakpoint(value, at, losses)?,
            _ => {
                elsewhere |= key == "file_id";
                losses.field(at.to_string());
            }
        }
    }
    let Some((source, media_type)) = source else {
        return nowhere(at.key("image_url"), elsewhere);
    };
    Ok(Some(Part::Media(Media {
        source,
        media_type,
        detail,
        name: None,
        cached,
    })))
}

fn file(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Part>, Rejection> {
    let (mut source, mut name, mut cached) = (None, None, false);
    let mut elsewhere = false;
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            "type" => {}
            _ if value.is_null() => {}
            "file_data" => {
                let data = json::text(value, at)?;
                source = Some(match data.starts_with("data:") {
                    true => located(data, at)?,
                    false => (Source::Base64(data), String::new()),
                });
            }
            "file_url" => source = Some((Source::Url(json::text(value, at)?), String::new())),
            "filename" => name = Some(json::text(value, at)?),
            "detail" => losses.hint(at.to_string()),
            "prompt_cache_breakpoint" => cached = breakpoint(value, at, losses)?,
            _ => {
                elsewhere |= key == "file_id";
                losses.field(at.to_string());
            }
        }
    }
    let Some((source, mut media_type)) = source else {
        return nowhere(at.key("file_data"), elsewhere);
    };
    if media_type.is_empty() {
        // Without a type it would be taken for an image.
        let url = match &source {
            Source::Url(url) => Some(url.as_str()),
            Source::Base64(_) => None,
        };
        media_type = type_of(name.as_deref().or(url)).to_owned();
    }
    Ok(Some(Part::Media(Media {
        source,
        media_type,
        detail: None,
        name,
        cached,
    })))
}

fn nowhere(at: Path<'_>, elsewhere: bool) -> Result<Option<Part>, Rejection> {
    match elsewhere {
        true => Ok(None),
        false => Err(json::missing(at)),
    }
}

/// Where media are, and of what type, as far as the address tells.
fn located(mut url: String, at: Path<'_>) -> Result<(Source, String), Rejection> {
    let Some(inline) = url.strip_prefix("data:") else {
        return Ok((Source::Url(url), String::new()));
    };
    let head = inline.split_once(',').map(|(head, _)| head);
    let Some((head, media_type)) = head.and_then(|it| Some((it, it.strip_suffix(";base64")?)))
    else {
        return Err(json::unfit(at, "a data URL in base64, or another address"));
    };
    let media_type = media_type.to_ascii_lowercase();
    // The data can be long, so they stay where they are.
    url.drain(..head.len() + "data:,".len());
    Ok((Source::Base64(url), media_type))
}

/// A mark up to which the prompt is to be cached.
fn breakpoint(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<bool, Rejection> {
    let mut cached = false;
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            "mode" if value == "explicit" => cached = true,
            _ if value.is_null() => {}
            _ => losses.hint(at.to_string()),
        }
    }
    Ok(cached)
}

/// The type that a document's name or address suggests; most are PDFs.
fn type_of(name: Option<&str>) -> &'static str {
    let name = name.unwrap_or_default();
    let name = name.split(['?', '#']).next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "txt" | "text" | "log" => "text/plain",
        "md" | "markdown" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "xml" => "application/xml",
        _ => "application/pdf",
    }
}
