use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::fields::Fields;
use crate::{
    canon::{Losses, Media, Source},
    json::{self, Path},
};

/// Reads the `source` of an image or a document; nothing if only Anthropic can look into it.
pub(super) fn read(
    source: Value,
    at: Path<'_>,
    is_image: bool,
    losses: &mut Losses,
) -> Result<Option<Media>, Rejection> {
    let mut fields = json::object(source, at)?;
    let mut text = |name| take(&mut fields, name, at);
    let (source, media_type) = match &*text("type")? {
        "base64" => (Source::Base64(text("data")?), text("media_type")?),
        "url" if is_image => (Source::Url(text("url")?), String::new()),
        "url" => (Source::Url(text("url")?), PDF.to_owned()),
        "text" if !is_image => {
            let data = BASE64_STANDARD.encode(text("data")?);
            (Source::Base64(data), text("media_type")?)
        }
        // Files lie in the caller's account at the provider.
        _ => {
            losses.field(at.to_string());
            return Ok(None);
        }
    };
    for name in fields.keys() {
        losses.field(at.key(name).to_string());
    }
    Ok(Some(Media {
        source,
        media_type,
        detail: None,
        name: None,
        cached: false,
    }))
}

/// Writes the fields of an image or a document after its type; says whether it could.
pub(super) fn write(out: &mut Vec<u8>, media: &Media) -> bool {
    let kind = match (&*media.media_type, &media.source) {
        ("", Source::Base64(data)) => guess(data),
        ("", Source::Url(_)) => "image/",
        (kind, _) => kind,
    };
    let text = match &media.source {
        Source::Url(url) if !url.starts_with("https://") && !url.starts_with("http://") => {
            return false;
        }
        Source::Base64(data) if kind.starts_with("text/") => {
            let bytes = BASE64_STANDARD.decode(data).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok())
        }
        _ => None,
    };
    let block = match kind {
        PDF => "document",
        _ if text.is_some() => "document",
        _ if kind.starts_with("image/") => "image",
        _ => return false,
    };
    let mut fields = Fields::of_type(out, block);
    match (&media.source, &text) {
        (_, Some(text)) => {
            let mut source = Fields::of_type(fields.key("source"), "text");
            source.put("media_type", "text/plain");
            source.put("data", text);
            source.end();
        }
        (Source::Base64(data), None) => {
            let mut source = Fields::of_type(fields.key("source"), "base64");
            source.put("media_type", kind);
            source.put("data", data);
            source.end();
        }
        (Source::Url(url), None) => {
            let mut source = Fields::of_type(fields.key("source"), "url");
            source.put("url", url);
            source.end();
        }
    }
    if block == "document" {
        fields.maybe("title", media.name.as_ref());
    }
    super::block::mark(&mut fields, media.cached);
    fields.end();
    true
}

/// A required text field of an object.
pub(super) fn take(
    fields: &mut Map<String, Value>,
    name: &str,
    at: Path<'_>,
) -> Result<String, Rejection> {
    match fields.remove(name) {
        Some(value) => json::text(value, at.key(name)),
        None => Err(json::missing(at.key(name))),
    }
}

/// By the first bytes, of which base64 shows enough.
fn guess(data: &str) -> &'static str {
    let known = [
        ("iVBORw", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", PDF),
    ];
    let found = known.iter().find(|(start, _)| data.starts_with(start));
    found.map_or("", |(_, kind)| *kind)
}

const PDF: &str = "application/pdf";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{read, write};
    use crate::{
        canon::{Losses, Media, Source},
        json::Path,
    };

    fn media(media_type: &str, source: Source) -> Media {
        Media {
            source,
            media_type: media_type.to_owned(),
            detail: None,
            name: None,
            cached: false,
        }
    }

    fn written(media: &Media) -> Option<Value> {
        let mut out = Vec::new();
        write(&mut out, media).then(|| serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn each_source_comes_back_as_it_was() {
        let url = || Source::Url("https://a/b".to_owned());
        let data = |data: &str| Source::Base64(data.to_owned());
        for (media, kind, source) in [
            (
                media("", url()),
                "image",
                json!({ "type": "url", "url": "https://a/b" }),
            ),
            (
                media("application/pdf", url()),
                "document",
                json!({ "type": "url", "url": "https://a/b" }),
            ),
            (
                media("image/png", data("iVBORw==")),
                "image",
                json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw==" }),
            ),
            (
                media("application/pdf", data("JVBERi0=")),
                "document",
                json!({ "type": "base64", "media_type": "application/pdf", "data": "JVBERi0=" }),
            ),
            (
                media("text/plain", data("aMOp")),
                "document",
                json!({ "type": "text", "media_type": "text/plain", "data": "h\u{e9}" }),
            ),
        ] {
            assert_eq!(
                written(&media),
                Some(json!({ "type": kind, "source": source }))
            );
            let mut losses = Losses::default();
            let again = read(source, Path::Body, kind == "image", &mut losses).unwrap();
            assert_eq!((again, losses.is_empty()), (Some(media), true));
        }
    }

    #[test]
    fn what_cannot_be_shown_is_not_written() {
        for (kind, source) in [
            ("audio/wav", Source::Base64("AA==".to_owned())),
            ("", Source::Base64("AA==".to_owned())),
            ("text/plain", Source::Base64("/w==".to_owned())),
            ("text/plain", Source::Url("https://a".to_owned())),
            ("image/png", Source::Url("gs://bucket/a.png".to_owned())),
        ] {
            assert_eq!(written(&media(kind, source)), None);
        }
        let jpeg = written(&media("", Source::Base64("/9j/4AAQ".to_owned()))).unwrap();
        assert_eq!(jpeg["source"]["media_type"], "image/jpeg");
    }

    #[test]
    fn a_file_at_the_provider_is_a_loss() {
        let mut losses = Losses::default();
        let source = json!({ "type": "file", "file_id": "f" });
        let at = Path::Body.key("source");
        assert_eq!(read(source, at, true, &mut losses).unwrap(), None);
        assert_eq!(losses.fields(), ["source"]);
        assert!(read(json!({ "type": "url" }), at, true, &mut losses).is_err());
    }
}
