use serde_json::Value;
use tollgate_core::Rejection;

use crate::{
    canon::{EmbedAsk, Losses},
    json::{self, Path},
    openai::{chat, write::Object},
};

/// How a caller wants its vectors written. The SDKs ask for base64 unless they are told otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// As lists of numbers.
    #[default]
    Float,
    /// As 32-bit numbers, the lowest byte first.
    Base64,
}

/// Reads a request for embeddings, and how they are to be written.
pub(crate) fn read_embed_ask(body: &[u8]) -> Result<(EmbedAsk, Encoding), Rejection> {
    let mut ask = EmbedAsk {
        model: String::new(),
        inputs: Vec::new(),
        dimensions: None,
        task: None,
        names: &chat::NAMES,
        losses: Losses::default(),
    };
    let mut encoding = Encoding::default();
    let mut input = None;
    for (key, value) in json::body(body)? {
        let at = Path::Body.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "model" => ask.model = json::text(value, at)?,
            "input" => input = Some(value),
            "dimensions" => {
                let count = Some(json::count(&value, at)?).filter(|count| *count > 0);
                let count = count.ok_or_else(|| json::unfit(at, "an integer of at least 1"))?;
                ask.dimensions = Some(count);
            }
            "encoding_format" => {
                encoding = match json::text(value, at)?.as_str() {
                    "float" => Encoding::Float,
                    "base64" => Encoding::Base64,
                    _ => return Err(json::unfit(at, "float or base64")),
                }
            }
            "user" => ask.losses.hint("user"),
            _ => ask.losses.field(at.to_string()),
        }
    }
    if ask.model.is_empty() {
        return Err(json::missing(Path::Body.key("model")));
    }
    let input = input.ok_or_else(|| json::missing(Path::Body.key("input")))?;
    read_input(input, &mut ask)?;
    Ok((ask, encoding))
}

/// Writes a request for embeddings to this model.
pub(crate) fn write_embed_ask(ask: &EmbedAsk, model: &str, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut body = Object::new(&mut out);
    body.field("model", model);
    body.field("input", &ask.inputs);
    body.field("encoding_format", "float");
    body.maybe("dimensions", ask.dimensions);
    drop(body);
    if ask.task.is_some() {
        losses.field("taskType"); // Only Gemini's callers can have said it.
    }
    out
}

/// Texts; tokens are those of one model and mean nothing to others.
fn read_input(input: Value, ask: &mut EmbedAsk) -> Result<(), Rejection> {
    const EXPECTED: &str = "a string or a list of strings";
    let at = Path::Body.key("input");
    let list = match input {
        Value::String(text) => {
            ask.inputs.push(text);
            return Ok(());
        }
        input => json::list(input, at).map_err(|_| json::unfit(at, EXPECTED))?,
    };
    match list.first() {
        Some(Value::String(_)) => {}
        Some(Value::Number(_) | Value::Array(_)) => {
            ask.losses.field("input");
            return Ok(());
        }
        _ => return Err(json::unfit(at, EXPECTED)),
    }
    for (index, text) in list.into_iter().enumerate() {
        ask.inputs.push(json::text(text, at.index(index))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Encoding, read_embed_ask, write_embed_ask};
    use crate::canon::{EmbedAsk, Losses};

    fn read(body: &Value) -> Result<(EmbedAsk, Encoding), tollgate_core::Rejection> {
        read_embed_ask(body.to_string().as_bytes())
    }

    #[test]
    fn texts_are_read_one_or_many() {
        for (input, expected) in [(json!("a"), &["a"][..]), (json!(["a", "b"]), &["a", "b"])] {
            let body =
                json!({"model": "m", "input": input, "dimensions": 3, "encoding_format": "base64"});
            let (ask, encoding) = read(&body).unwrap();
            assert_eq!((&*ask.model, ask.dimensions), ("m", Some(3)));
            assert_eq!(ask.inputs, expected);
            assert_eq!(encoding, Encoding::Base64);
            assert!(ask.losses.is_empty());
        }
    }

    #[test]
    fn tokens_and_what_is_unknown_are_named_as_lost() {
        for input in [json!([1, 2]), json!([[1], [2]])] {
            let (ask, _) =
                read(&json!({"model": "m", "input": input, "x": 1, "user": "u"})).unwrap();
            assert_eq!(ask.losses.fields(), ["x", "input"]);
            assert_eq!(ask.losses.all().last(), Some("user"));
        }
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        for (body, param) in [
            (json!({"input": "a"}), "model"),
            (json!({"model": "m"}), "input"),
            (json!({"model": "m", "input": []}), "input"),
            (json!({"model": "m", "input": {}}), "input"),
            (json!({"model": "m", "input": ["a", 1]}), "input[1]"),
            (
                json!({"model": "m", "input": "a", "dimensions": 0}),
                "dimensions",
            ),
            (
                json!({"model": "m", "input": "a", "encoding_format": "int8"}),
                "encoding_format",
            ),
        ] {
            let refused = read(&body).unwrap_err();
            assert_eq!(refused.details()["param"], param, "{body}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same_and_asks_for_numbers() {
        let body = json!({"model": "m", "input": ["a", "b"], "dimensions": 3});
        let (ask, _) = read(&body).unwrap();
        let mut losses = Losses::default();
        let written = write_embed_ask(&ask, "m", &mut losses);
        assert_eq!(read_embed_ask(&written).unwrap(), (ask, Encoding::Float));
        assert!(losses.is_empty());
    }
}
