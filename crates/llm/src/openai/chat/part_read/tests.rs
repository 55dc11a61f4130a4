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
    let hour =
        json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
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
