use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Media, Part, Source},
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
    let media = match kind.as_str() {
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
        "image_url" => Some(image(json::object(said, inner)?, inner, losses)?),
        "input_audio" => Some(audio(json::object(said, inner)?, inner, losses)?),
        _ => file(json::object(said, inner)?, inner, losses)?,
    };
    Ok(media.map(|media| Part::Media(Media { cached, ..media })))
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

fn image(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Media, Rejection> {
    let (mut source, mut detail) = (None, None);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "url" => source = Some(address(json::text(value, at)?, at)?),
            "detail" => detail = Some(json::text(value, at)?).filter(|detail| detail != "auto"),
            _ => losses.field(at.to_string()),
        }
    }
    let (source, media_type) = source.ok_or_else(|| json::missing(at.key("url")))?;
    Ok(Media {
        source,
        media_type,
        detail,
        name: None,
        cached: false,
    })
}

fn audio(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Media, Rejection> {
    let (mut data, mut format) = (None, None);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "data" => data = Some(json::text(value, at)?),
            "format" => format = Some(json::text(value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    let format = format.ok_or_else(|| json::missing(at.key("format")))?;
    Ok(Media {
        source: Source::Base64(data.ok_or_else(|| json::missing(at.key("data")))?),
        media_type: match format.as_str() {
            "mp3" => "audio/mpeg".to_owned(),
            format => format!("audio/{format}"),
        },
        detail: None,
        name: None,
        cached: false,
    })
}

/// A file; one that lies with OpenAI is named as lost.
fn file(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Media>, Rejection> {
    let (mut data, mut name, mut lost) = (None, None, false);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "file_data" => data = Some(json::text(value, at)?),
            "filename" => name = Some(json::text(value, at)?),
            _ => {
                lost |= key == "file_id";
                losses.field(at.to_string());
            }
        }
    }
    let inner = at.key("file_data");
    let Some(data) = data else {
        return if lost {
            Ok(None)
        } else {
            Err(json::missing(inner))
        };
    };
    let (source, media_type) = if data.starts_with("data:") {
        address(data, inner)?
    } else {
        let pdf = name.as_ref().is_none_or(|name| name.ends_with(".pdf"));
        let kind = if pdf { PDF } else { "application/octet-stream" };
        (Source::Base64(data), kind.to_owned())
    };
    Ok(Some(Media {
        source,
        media_type,
        detail: None,
        name,
        cached: false,
    }))
}

/// What a `data:` address holds, and of what type it is; any other address as it is.
fn address(url: String, at: Path<'_>) -> Result<(Source, String), Rejection> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Ok((Source::Url(url), String::new()));
    };
    let parsed = rest.split_once(',').and_then(|(kind, data)| {
        let kind = kind.strip_suffix(";base64")?;
        let media_type = kind.split(';').next().unwrap_or_default();
        (!media_type.is_empty()).then(|| (Source::Base64(data.to_owned()), media_type.to_owned()))
    });
    parsed.ok_or_else(|| json::unfit(at, "an address, or `data:<type>;base64,<data>`"))
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

/// What a file is taken for if nothing is said.
const PDF: &str = "application/pdf";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Whose, parts};
    use crate::{
        canon::{Losses, Media, Part, Source},
        json::Path,
    };

    const AT: Path<'_> = Path::Key(&Path::Body, "content");

    fn read(part: Value, whose: Whose) -> (Vec<Part>, Losses) {
        let mut losses = Losses::default();
        let parts = parts(json!([part]), AT, whose, &mut losses);
        (parts.unwrap(), losses)
    }

    fn media(source: Source, media_type: &str) -> Media {
        Media {
            source,
            media_type: media_type.to_owned(),
            detail: None,
            name: None,
            cached: false,
        }
    }

    #[test]
    fn each_kind_of_part_is_read() {
        let base64 = || Source::Base64("AAAA".to_owned());
        let pdf = Media {
            name: Some("a.pdf".to_owned()),
            ..media(base64(), "application/pdf")
        };
        let detailed = Media {
            detail: Some("low".to_owned()),
            ..media(Source::Url("https://h/i".to_owned()), "")
        };
        for (part, expected) in [
            (
                json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "auto"}}),
                media(base64(), "image/png"),
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}}),
                detailed,
            ),
            (
                json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}),
                media(base64(), "audio/mpeg"),
            ),
            (
                json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}),
                pdf.clone(),
            ),
            (
                json!({"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}),
                pdf,
            ),
        ] {
            let (parts, losses) = read(part.clone(), Whose::User);
            assert_eq!(parts, [Part::Media(expected)], "{part}");
            assert!(losses.is_empty(), "{losses:?}");
        }
        let (parts, _) = read(
            json!({"type": "refusal", "refusal": "no"}),
            Whose::Assistant,
        );
        assert_eq!(parts, [Part::Refusal("no".to_owned())]);
        let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
        let expected = Part::Thinking {
            text: "hm".to_owned(),
            signature: None,
        };
        assert_eq!(read(thinking, Whose::Assistant).0, [expected]);
    }

    #[test]
    fn marks_of_the_cache_are_read() {
        for (name, mark) in [
            ("cache_control", json!({"type": "ephemeral"})),
            ("prompt_cache_breakpoint", json!({"mode": "explicit"})),
        ] {
            let (parts, losses) = read(
                json!({"type": "text", "text": "a", name: mark}),
                Whose::User,
            );
            assert!(
                matches!(parts[0], Part::Text { cached: true, .. }),
                "{name}"
            );
            assert!(losses.is_empty());
        }
        let hour = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
        let (_, losses) = read(hour, Whose::User);
        assert_eq!(
            losses.all().collect::<Vec<_>>(),
            ["content[0].cache_control.ttl"]
        );
    }

    #[test]
    fn a_file_of_openais_is_named_as_lost() {
        let (parts, losses) = read(
            json!({"type": "file", "file": {"file_id": "f"}}),
            Whose::User,
        );
        assert!(parts.is_empty());
        assert_eq!(losses.fields(), ["content[0].file.file_id"]);
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        for (part, whose, param) in [
            (json!(1), Whose::User, "content[0]"),
            (json!({}), Whose::User, "content[0].type"),
            (json!({"type": "video_url"}), Whose::User, "content[0].type"),
            (
                json!({"type": "image_url", "image_url": {"url": "x"}}),
                Whose::System,
                "content[0].type",
            ),
            (json!({"type": "text"}), Whose::User, "content[0].text"),
            (
                json!({"type": "image_url", "image_url": "u"}),
                Whose::User,
                "content[0].image_url",
            ),
            (
                json!({"type": "image_url", "image_url": {}}),
                Whose::User,
                "content[0].image_url.url",
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "data:image/png,x"}}),
                Whose::User,
                "content[0].image_url.url",
            ),
            (
                json!({"type": "input_audio", "input_audio": {"data": ""}}),
                Whose::User,
                "content[0].input_audio.format",
            ),
            (
                json!({"type": "file", "file": {}}),
                Whose::User,
                "content[0].file.file_data",
            ),
        ] {
            let refused = parts(json!([part]), AT, whose, &mut Losses::default()).unwrap_err();
            assert_eq!(refused.details()["param"], param, "{part}");
        }
    }
}
