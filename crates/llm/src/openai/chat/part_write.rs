use serde::{Serialize, Serializer};

use crate::{
    canon::{Media, Part, Source},
    openai::write::List,
};

/// Writes a text as a part of a content.
pub(super) fn text(text: &str, list: &mut List<'_>) {
    let mut part = list.object();
    part.field("type", "text");
    part.field("text", text);
}

/// Writes what [`can_hold`] finds a place for.
pub(super) fn media(media: &Media, list: &mut List<'_>) {
    let mut part = list.object();
    match place(media) {
        Some(Place::Image) => {
            part.field("type", "image_url");
            let mut image = part.object("image_url");
            match &media.source {
                Source::Url(url) => image.field("url", url),
                Source::Base64(data) => image.field("url", DataUrl(&media.media_type, data)),
            }
            image.maybe("detail", media.detail.as_ref());
        }
        Some(Place::Audio(data, format)) => {
            part.field("type", "input_audio");
            let mut audio = part.object("input_audio");
            audio.field("data", data);
            audio.field("format", format);
        }
        Some(Place::File(data)) => {
            part.field("type", "file");
            let mut file = part.object("file");
            // Without a name, data is refused.
            file.field("filename", media.name.as_deref().unwrap_or("file"));
            file.field("file_data", DataUrl(&media.media_type, data));
        }
        None => {}
    }
}

/// Whether there is a kind of part for it.
pub(super) fn can_hold(media: &Media) -> bool {
    place(media).is_some()
}

/// Whether the provider is asked to cache the prompt up to here.
pub(super) const fn is_cached(part: &Part) -> bool {
    match part {
        Part::Text { cached, .. }
        | Part::ToolCall { cached, .. }
        | Part::ToolResult { cached, .. } => *cached,
        Part::Media(media) => media.cached,
        Part::Thinking { .. } | Part::Redacted(_) | Part::Refusal(_) => false,
    }
}

/// Which kind of part holds a medium.
enum Place<'a> {
    Image,
    Audio(&'a str, &'a str),
    File(&'a str),
}

fn place(media: &Media) -> Option<Place<'_>> {
    let kind = media.media_type.as_str();
    match &media.source {
        Source::Base64(_) if kind.is_empty() => None,
        _ if media.is_image() => Some(Place::Image),
        Source::Url(_) => None,
        Source::Base64(data) => match kind.split_once('/')? {
            ("audio", "mpeg" | "mp3") => Some(Place::Audio(data, "mp3")),
            ("audio", "wav" | "x-wav" | "wave" | "vnd.wave") => Some(Place::Audio(data, "wav")),
            ("application" | "text", _) => Some(Place::File(data)),
            _ => None,
        },
    }
}

/// A type and data in base64, as an address.
struct DataUrl<'a>(&'a str, &'a str);

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("data:{};base64,{}", self.0, self.1))
    }
}
