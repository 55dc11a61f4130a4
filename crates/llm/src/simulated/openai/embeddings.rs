use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::rules;
use crate::simulated::{
    asked::{Hash, tokens},
    refusal::Refusal,
};

/// Answers a request for embeddings, and says how many tokens it read.
pub(crate) fn embeddings(body: &Value) -> Result<(Value, u64), Refusal> {
    if body["model"].as_str().unwrap_or_default().is_empty() {
        return Err(Refusal::bad("you must provide a model parameter"));
    }
    let inputs = match &body["input"] {
        Value::Null => return Err(rules::missing("input")),
        Value::String(text) => vec![(text.clone(), tokens(text))],
        Value::Array(items) => match items.first() {
            Some(Value::Number(_)) => vec![counted(items)?],
            Some(Value::String(_)) => {
                let text = |item: &Value| match item.as_str() {
                    Some(text) if !text.is_empty() => Ok((text.to_owned(), tokens(text))),
                    _ => Err(unfit()),
                };
                items.iter().map(text).collect::<Result<_, _>>()?
            }
            Some(Value::Array(_)) => {
                let list = |item: &Value| counted(item.as_array().ok_or_else(unfit)?);
                items.iter().map(list).collect::<Result<_, _>>()?
            }
            _ => return Err(unfit()),
        },
        _ => return Err(unfit()),
    };
    if inputs.len() > 2048 {
        let message =
            "Invalid 'input': array too long. Expected an array with maximum length 2048.";
        return Err(Refusal::bad(message)
            .code("array_above_max_length")
            .param("input"));
    }
    let dimensions = match &body["dimensions"] {
        Value::Null => 8,
        value => match value.as_u64() {
            Some(dimensions @ 1..=4096) => dimensions,
            _ => return Err(rules::invalid("dimensions", value)),
        },
    };
    let base64 = match body["encoding_format"].as_str() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(rules::invalid("encoding_format", &body["encoding_format"])),
    };
    let embedding = |(index, (text, _)): (usize, &(String, u64))| {
        let numbers = vector(text, dimensions);
        let embedding = if base64 {
            json!(encoded(&numbers))
        } else {
            json!(numbers)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let read = inputs.iter().map(|(_, tokens)| tokens).sum::<u64>();
    let answer = json!({
        "object": "list",
        "data": inputs.iter().enumerate().map(embedding).collect::<Vec<_>>(),
        "model": body["model"],
        "usage": { "prompt_tokens": read, "total_tokens": read },
    });
    Ok((answer, read))
}

/// A vector that depends on its text alone.
pub(crate) fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let mut state = Hash::new().add(text).0;
    let mut number = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..dimensions).map(&mut number).collect()
}

fn counted(ids: &[Value]) -> Result<(String, u64), Refusal> {
    if ids.is_empty() || !ids.iter().all(Value::is_u64) {
        return Err(unfit());
    }
    Ok((json!(ids).to_string(), ids.len() as u64))
}

fn unfit() -> Refusal {
    Refusal::bad(
        "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
    )
}

/// Little-endian floats in base64, as the SDKs ask for them.
fn encoded(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    BASE64_STANDARD.encode(bytes)
}
