use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::calls::Calls;
use crate::{
    canon::{Carried, Losses, Media, Part, Role, Source},
    gemini::{
        fields::{list, lose, lose_hint, object},
        signature::{Thought, decode, standard},
    },
    json::{self, Path, missing, unfit, wrong},
};

/// Reads a part of a content, which may be several of ours.
pub(super) fn read(
    value: Value,
    above: Path<'_>,
    role: Role,
    calls: &mut Calls,
    losses: &mut Losses,
    parts: &mut Vec<Part>,
) -> Result<(), Rejection> {
    let fields = object(value, above)?;
    if fields.is_empty() {
        return Err(wrong(above, format!("`{above}` says nothing")));
    }
    let (mut part, mut thought, mut signature) = (None, false, None);
    for (name, value) in fields {
        let at = above.key(&name);
        let data = match name.as_str() {
            _ if value.is_null() => continue,
            "thought" => {
                thought = json::flag(&value, at)?;
                continue;
            }
            "thoughtSignature" => {
                signature = decode(json::text(value, at)?);
                continue;
            }
            "partMetadata" => {
                lose_hint(&value, at, losses);
                continue;
            }
            "text" => Part::text(json::text(value, at)?),
            "inlineData" | "fileData" => Part::Media(media(value, at, losses)?),
            "functionCall" if role == Role::Assistant => call(value, at, calls, losses, parts)?,
            "functionResponse" if role == Role::User => result(value, at, calls, losses)?,
            "functionCall" => return Err(wrong(at, format!("`{at}` is for the model to say"))),
            "functionResponse" => {
                return Err(wrong(at, format!("`{at}` is for the user to say")));
            }
            _ => {
                lose(&value, at, losses);
                continue;
            }
        };
        if part.replace(data).is_some() {
            return Err(wrong(at, format!("`{at}` is the second thing in its part")));
        }
    }
    match part {
        Some(Part::Text { text, .. }) if thought => parts.push(match signature {
            Some(Thought::Redacted(signature)) => Part::Redacted(signature),
            Some(Thought::Signed(signature)) => Part::Thinking {
                text,
                signature: Some(signature),
            },
            None => Part::Thinking {
                text,
                signature: None,
            },
        }),
        Some(Part::ToolCall {
            id,
            name,
            arguments,
            signature: carried,
            cached,
        }) => parts.push(Part::ToolCall {
            id,
            name,
            arguments,
            signature: match signature {
                Some(Thought::Signed(signature)) => Some(signature),
                _ => carried,
            },
            cached,
        }),
        // What Google signs in texts it does not insist on, and nobody else can read.
        other => parts.extend(other),
    }
    Ok(())
}

fn call(
    value: Value,
    above: Path<'_>,
    calls: &mut Calls,
    losses: &mut Losses,
    parts: &mut Vec<Part>,
) -> Result<Part, Rejection> {
    let (mut id, mut function, mut arguments) = (None, String::new(), "{}".to_owned());
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "id" => id = Some(json::text(value, at)?).filter(|id| !id.is_empty()),
            "name" => function = json::text(value, at)?,
            "args" if value.is_object() => arguments = value.to_string(),
            "args" => return Err(unfit(at, "an object")),
            _ => lose(&value, at, losses),
        }
    }
    if function.is_empty() {
        return Err(missing(above.key("name")));
    }
    let (id, carried) = id.map_or_else(Default::default, |id| {
        let (id, carried) = Carried::from_id(&id);
        (Some(id.to_owned()), carried)
    });
    for (text, signature) in carried.thinking {
        parts.push(match text {
            Some(text) => Part::Thinking {
                text,
                signature: Some(signature),
            },
            None => Part::Redacted(signature),
        });
    }
    Ok(Part::ToolCall {
        id: calls.call(id, &function),
        name: function,
        arguments,
        signature: carried.signature,
        cached: false,
    })
}

fn result(
    value: Value,
    above: Path<'_>,
    calls: &mut Calls,
    losses: &mut Losses,
) -> Result<Part, Rejection> {
    let (mut id, mut function, mut response) = (None, String::new(), Map::new());
    let mut media_parts = Vec::new();
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "id" => id = Some(json::text(value, at)?).filter(|id| !id.is_empty()),
            "name" => function = json::text(value, at)?,
            "response" => response = json::object(value, at)?,
            "parts" => {
                for (index, value) in list(value, at)?.into_iter().enumerate() {
                    let at = at.index(index);
                    for (name, value) in object(value, at)? {
                        let at = at.key(&name);
                        match name.as_str() {
                            _ if value.is_null() => {}
                            "inlineData" | "fileData" => {
                                media_parts.push(Part::Media(media(value, at, losses)?));
                            }
                            _ => lose(&value, at, losses),
                        }
                    }
                }
            }
            _ => lose(&value, at, losses),
        }
    }
    if function.is_empty() {
        return Err(missing(above.key("name")));
    }
    let id = id.map(|id| Carried::from_id(&id).0.to_owned());
    let (text, is_error) = said(response);
    let mut content = vec![Part::text(text)];
    content.append(&mut media_parts);
    Ok(Part::ToolResult {
        id: calls.result(id, &function),
        name: function,
        content,
        is_error,
        cached: false,
    })
}

/// What a response says, and whether it is an error. A lone `output`, `result` or `error` is only the wrapping.
fn said(mut response: Map<String, Value>) -> (String, bool) {
    if response.len() == 1 {
        for (name, is_error) in [("result", false), ("output", false), ("error", true)] {
            match response.remove(name) {
                Some(Value::String(text)) => return (text, is_error),
                Some(value) => return (value.to_string(), is_error),
                None => {}
            }
        }
    }
    (Value::Object(response).to_string(), false)
}

fn media(value: Value, above: Path<'_>, losses: &mut Losses) -> Result<Media, Rejection> {
    let (mut source, mut media_type, mut title) = (None, String::new(), None);
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "data" => source = Some(Source::Base64(standard(json::text(value, at)?))),
            "fileUri" => source = Some(Source::Url(json::text(value, at)?)),
            "mimeType" => media_type = json::text(value, at)?,
            "displayName" => title = Some(json::text(value, at)?).filter(|it| !it.is_empty()),
            _ => lose(&value, at, losses),
        }
    }
    let is_inline = !matches!(above, Path::Key(_, "fileData"));
    Ok(Media {
        source: source
            .ok_or_else(|| missing(above.key(if is_inline { "data" } else { "fileUri" })))?,
        media_type,
        detail: None,
        name: title,
        cached: false,
    })
}
