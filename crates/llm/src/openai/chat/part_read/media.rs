use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::{Losses, Media, Source},
    json::{self, Path},
};

pub(super) fn image(
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

pub(super) fn audio(
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
pub(super) fn file(
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

/// What a file is taken for if nothing is said.
const PDF: &str = "application/pdf";
