use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::rules;
use crate::simulated::{
    asked::{Asked, Choice, Format, Message, Part, Source, Tool},
    exchange::signature,
    refusal::Refusal,
};

/// Reads a request for content, whose names are in camel case already.
pub(crate) fn contents(body: &Value, model: &str, stream: bool) -> Result<Asked, Refusal> {
    rules::settings(body)?;
    let generation = &body["generationConfig"];
    let mut asked = Asked {
        model: model.to_owned(),
        stream,
        max: rules::whole(&generation["maxOutputTokens"]),
        choices: rules::whole(&generation["candidateCount"]).unwrap_or(1),
        ..Asked::default()
    };
    for part in items(&body["systemInstruction"]["parts"]) {
        asked.system.push(string(&part["text"]));
    }
    let contents = match &body["contents"] {
        Value::Array(contents) if !contents.is_empty() => contents,
        _ => {
            return Err(Refusal::bad(
                "* GenerateContentRequest.contents: contents is not specified\n",
            ));
        }
    };
    for (index, content) in contents.iter().enumerate() {
        let role = match content["role"].as_str() {
            None | Some("user" | "") => "user",
            Some("model") => "assistant",
            Some("function") => "tool",
            Some(_) => return Err(Refusal::bad("Please use a valid role: user, model.")),
        };
        let parts = items(&content["parts"]);
        let mut read = Vec::new();
        for (at, part) in parts.enumerate() {
            let path = format!("contents[{index}].parts[{at}]");
            read.push(part_of(part, index, &path)?);
        }
        if read.is_empty() {
            let message = format!(
                "* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.\n"
            );
            return Err(Refusal::bad(message));
        }
        match asked.messages.last_mut() {
            // Google's own SDK sends a stream back as it came, each piece a content.
            Some(last) if last.role == role && role == "assistant" => last.parts.extend(read),
            _ => asked.messages.push(Message { role, parts: read }),
        }
    }
    rules::turns(&asked)?;
    for declaration in items(&body["tools"]).flat_map(|tool| items(&tool["functionDeclarations"])) {
        let schema = match &declaration["parametersJsonSchema"] {
            Value::Null => &declaration["parameters"],
            schema => schema,
        };
        asked.tools.push(Tool {
            name: string(&declaration["name"]),
            description: string(&declaration["description"]),
            schema: schema.clone(),
        });
    }
    let calling = &body["toolConfig"]["functionCallingConfig"];
    let names: Vec<_> = items(&calling["allowedFunctionNames"])
        .map(string)
        .collect();
    asked.choice = match calling["mode"].as_str() {
        Some("NONE") => Choice::None,
        Some("ANY") if names.is_empty() => Choice::Any,
        Some("ANY") => Choice::Of(names),
        Some("VALIDATED") if !names.is_empty() => Choice::Among(names),
        _ => Choice::Auto,
    };
    asked.stop = items(&generation["stopSequences"]).map(string).collect();
    asked.format = match (
        &generation["responseJsonSchema"],
        &generation["responseSchema"],
    ) {
        (Value::Null, Value::Null) if generation["responseMimeType"] == "application/json" => {
            Format::Json
        }
        (Value::Null, Value::Null) => Format::Text,
        (Value::Null, schema) | (schema, _) => Format::Schema(schema.clone()),
    };
    let thinking = &generation["thinkingConfig"];
    asked.reasons = match rules::whole(&thinking["thinkingBudget"]) {
        Some(budget) => budget > 0,
        None => {
            thinking.is_object() || model.contains("gemini-3") || model.contains("gemini-2.5-pro")
        }
    };
    asked.logprobs = (generation["responseLogprobs"] == true)
        .then(|| rules::whole(&generation["logprobs"]).unwrap_or(0).min(20));
    for (field, name) in SETTINGS {
        if !generation[field].is_null() {
            asked
                .params
                .insert((*name).into(), generation[field].clone());
        }
    }
    for field in ["cachedContent", "safetySettings"] {
        if !body[field].is_null() {
            asked.params.insert(field.into(), body[field].clone());
        }
    }
    if !asked.stop.is_empty() {
        asked.params.insert("stop".into(), json!(asked.stop));
    }
    asked.keep_prefix(false);
    Ok(asked)
}

fn part_of(part: &Value, turn: usize, path: &str) -> Result<Part, Refusal> {
    let signed = part["thoughtSignature"].as_str();
    let data = [
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
    ];
    let held = data.iter().filter(|field| !part[**field].is_null()).count();
    if held > 1 {
        let message = format!(
            "Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set another."
        );
        return Err(Refusal::bad(message));
    }
    if let Some(text) = part["text"].as_str() {
        let text = text.to_owned();
        return Ok(match part["thought"] == true {
            true => Part::Thinking {
                text,
                signed: signed.is_some(),
            },
            false => Part::Text(text),
        });
    }
    if part["inlineData"].is_object() {
        let blob = &part["inlineData"];
        let media_type = string(&blob["mimeType"]);
        let bytes = blob["data"]
            .as_str()
            .and_then(|data| BASE64_STANDARD.decode(plain(data)).ok());
        let Some(bytes) = bytes else {
            let message = format!(
                "Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed"
            );
            return Err(Refusal::bad(message));
        };
        let kind = kind(&media_type);
        return Ok(Part::Media(
            kind,
            Source::Inline {
                media_type,
                bytes: bytes.len(),
            },
        ));
    }
    if part["fileData"].is_object() {
        let file = &part["fileData"];
        let kind = kind(&string(&file["mimeType"]));
        return Ok(Part::Media(kind, Source::At(string(&file["fileUri"]))));
    }
    if part["functionCall"].is_object() {
        let call = &part["functionCall"];
        let arguments = if call["args"].is_null() {
            json!({})
        } else {
            call["args"].clone()
        };
        if !arguments.is_object() {
            return Err(rules::unfit(
                &format!("{path}.function_call.args"),
                "type.googleapis.com/google.protobuf.Struct",
                &arguments,
            ));
        }
        let name = string(&call["name"]);
        // The value for calls that another model made is documented.
        let ours = signed.is_some_and(|it| {
            plain(it) == signature(&name) || it == "skip_thought_signature_validator"
        });
        if signed.is_some() && !ours {
            return Err(Refusal::bad("Thought signature is not valid."));
        }
        let arguments = arguments.to_string();
        return Ok(Part::Call {
            id: string(&call["id"]),
            name,
            arguments,
            signed: ours,
        });
    }
    if part["functionResponse"].is_object() {
        let response = &part["functionResponse"];
        if !response["response"].is_object() {
            return Err(rules::unfit(
                &format!("{path}.function_response.response"),
                "type.googleapis.com/google.protobuf.Struct",
                &response["response"],
            ));
        }
        let name = string(&response["name"]);
        if name.is_empty() {
            return Err(Refusal::bad(format!(
                "* GenerateContentRequest.contents[{turn}].parts[0].function_response.name: Name cannot be empty.\n"
            )));
        }
        let said = &response["response"];
        let text = ["result", "output"]
            .iter()
            .find_map(|field| said[*field].as_str());
        let text = text.map_or_else(|| said.to_string(), str::to_owned);
        let error = !said["error"].is_null();
        return Ok(Part::Result {
            id: string(&response["id"]),
            name,
            text,
            error,
        });
    }
    match signed {
        Some(_) => Ok(Part::Thinking {
            text: String::new(),
            signed: true,
        }),
        None => {
            let message = format!(
                "* GenerateContentRequest.{path}.data: required oneof field 'data' must have one initialized field\n"
            );
            Err(Refusal::bad(message))
        }
    }
}

/// Base64 in the usual alphabet: Google reads and SDKs write the one for URLs as well.
fn plain(base64: &str) -> String {
    base64.replace('-', "+").replace('_', "/")
}

fn kind(media_type: &str) -> &'static str {
    match media_type.split('/').next() {
        Some("image") => "image",
        Some("audio") => "audio",
        _ => "file",
    }
}

pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Google's names of settings, and those that an echo shows.
const SETTINGS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("topK", "top_k"),
    ("maxOutputTokens", "max_tokens"),
    ("candidateCount", "n"),
    ("seed", "seed"),
    ("presencePenalty", "presence_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
    ("responseLogprobs", "logprobs"),
    ("logprobs", "top_logprobs"),
    ("responseMimeType", "response_mime_type"),
    ("thinkingConfig", "thinking"),
    ("responseModalities", "modalities"),
];
