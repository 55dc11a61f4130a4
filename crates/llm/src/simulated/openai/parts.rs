use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::rules;
use crate::simulated::{
    asked::{Part, Source},
    refusal::Refusal,
};

/// The parts of a message's content.
pub(crate) fn parts(content: &Value, path: &str) -> Result<Vec<Part>, Refusal> {
    let parts = match content {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) => return Ok(vec![Part::Text(text.clone())]),
        Value::Array(parts) => parts,
        other => return Err(rules::invalid(&format!("{path}.content"), other)),
    };
    let part = |(index, part): (usize, &Value)| {
        let path = format!("{path}.content[{index}]");
        Ok(match part["type"].as_str() {
            Some("text" | "input_text" | "output_text" | "summary_text") => {
                Part::Text(string(&part["text"]))
            }
            Some("refusal") => Part::Text(string(&part["refusal"])),
            Some("image_url") => Part::Media("image", source(&part["image_url"]["url"], &path)?),
            Some("input_image") if part["image_url"].is_null() => {
                Part::Media("image", Source::At(string(&part["file_id"])))
            }
            Some("input_image") => Part::Media("image", source(&part["image_url"], &path)?),
            Some("input_audio") => {
                let audio = &part["input_audio"];
                let media_type = format!("audio/{}", audio["format"].as_str().unwrap_or_default());
                Part::Media("audio", inline(media_type, &audio["data"], &path)?)
            }
            Some("file" | "input_file") => {
                let file = if part["file"].is_object() {
                    &part["file"]
                } else {
                    part
                };
                match (&file["file_data"], &file["file_url"]) {
                    (Value::Null, Value::Null) => {
                        Part::Media("file", Source::At(string(&file["file_id"])))
                    }
                    (Value::Null, url) => Part::Media("file", Source::At(string(url))),
                    (data, _) => Part::Media("file", source(data, &path)?),
                }
            }
            _ => return Err(rules::invalid(&format!("{path}.type"), &part["type"])),
        })
    };
    parts.iter().enumerate().map(part).collect()
}

fn source(url: &Value, path: &str) -> Result<Source, Refusal> {
    let Some(url) = url.as_str() else {
        return Err(rules::invalid(path, url));
    };
    match url
        .strip_prefix("data:")
        .and_then(|data| data.split_once(";base64,"))
    {
        Some((media_type, data)) => inline(media_type.into(), &json!(data), path),
        None if url.starts_with("https://") || url.starts_with("http://") => {
            Ok(Source::At(url.into()))
        }
        None => {
            let message = format!(
                "Invalid '{path}'. Expected a valid URL, but got a value with an invalid format."
            );
            Err(Refusal::bad(message).code("invalid_value").param(path))
        }
    }
}

fn inline(media_type: String, data: &Value, path: &str) -> Result<Source, Refusal> {
    let bytes = data
        .as_str()
        .and_then(|data| BASE64_STANDARD.decode(data).ok());
    let Some(bytes) = bytes else {
        let message = format!("Invalid base64 data in '{path}'.");
        return Err(Refusal::bad(message).code("invalid_base64").param(path));
    };
    Ok(Source::Inline {
        media_type,
        bytes: bytes.len(),
    })
}

pub(crate) fn texts(parts: &[Part]) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        _ => None,
    };
    parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
