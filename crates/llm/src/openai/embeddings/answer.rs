use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::Encoding;
use crate::{
    canon::{EmbedAnswer, Fault},
    openai::{error, usage, write::Object},
};

/// Reads a provider's embeddings, in either encoding.
pub(crate) fn read_embed_answer(body: &[u8]) -> Result<EmbedAnswer, Fault> {
    let Ok(mut answer) = serde_json::from_slice::<Answer<'_>>(body) else {
        let value = serde_json::from_slice(body).unwrap_or_default();
        return Err(error::in_stream(&value).unwrap_or_else(error::invalid));
    };
    answer.data.sort_by_key(|item| item.index);
    Ok(EmbedAnswer {
        model: answer.model.into_owned(),
        vectors: answer
            .data
            .into_iter()
            .map(|item| item.embedding.0)
            .collect(),
        usage: usage::usage(body),
    })
}

/// Writes embeddings in the encoding that the caller asked for.
pub(crate) fn write_embed_answer(answer: &EmbedAnswer, encoding: Encoding) -> Vec<u8> {
    let numbers: usize = answer.vectors.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(256 + numbers * 12);
    let mut body = Object::new(&mut out);
    body.field("object", "list");
    let mut data = body.list("data");
    for (index, vector) in answer.vectors.iter().enumerate() {
        let mut item = data.object();
        item.field("object", "embedding");
        item.field("index", index);
        match encoding {
            Encoding::Float => item.field("embedding", vector),
            Encoding::Base64 => item.field("embedding", base64(vector)),
        }
    }
    drop(data);
    body.field("model", &answer.model);
    // The SDKs want it to be there.
    let input = answer.usage.unwrap_or_default().total_input();
    let mut usage = body.object("usage");
    usage.field("prompt_tokens", input);
    usage.field("total_tokens", input);
    drop(usage);
    drop(body);
    out
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|it| it.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: u64,
    embedding: Vector,
}

/// A vector in either encoding, without a value for each number.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or their bytes in base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vector, A::Error> {
        let mut vector = Vec::with_capacity(1024);
        while let Some(number) = numbers.next_element()? {
            vector.push(number);
        }
        checked(vector)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = BASE64_STANDARD.decode(text).map_err(E::custom)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("not a whole number of numbers"));
        }
        checked(numbers.iter().copied().map(f32::from_le_bytes).collect())
    }
}

/// JSON has no word for what is no number.
fn checked<E: Error>(vector: Vec<f32>) -> Result<Vector, E> {
    if vector.iter().all(|number| number.is_finite()) {
        Ok(Vector(vector))
    } else {
        Err(E::custom("not a number"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tollgate_core::fact::Usage;

    use super::{Encoding, read_embed_answer, write_embed_answer};
    use crate::canon::{EmbedAnswer, Kind};

    fn answer() -> EmbedAnswer {
        EmbedAnswer {
            model: "m".to_owned(),
            vectors: vec![vec![1.0, -0.25, 1e-7], vec![]],
            usage: Some(Usage {
                input: 4,
                ..Usage::default()
            }),
        }
    }

    #[test]
    fn vectors_are_written_in_either_encoding_and_read_again() {
        for encoding in [Encoding::Float, Encoding::Base64] {
            let body = write_embed_answer(&answer(), encoding);
            assert_eq!(read_embed_answer(&body).unwrap(), answer());
        }
        let body = write_embed_answer(&answer(), Encoding::Base64);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["data"][0]["embedding"], "AACAPwAAgL6Vv9Yz");
        assert_eq!(
            body["usage"],
            json!({"prompt_tokens": 4, "total_tokens": 4})
        );
    }

    #[test]
    fn vectors_stand_in_the_order_of_the_texts() {
        let body =
            json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]});
        let answer = read_embed_answer(body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.vectors, [[1.0], [2.0]]);
        assert_eq!(answer.usage, None);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for body in [
            json!({}),
            json!([]),
            json!({"data": [{"embedding": "AAA="}]}),
            json!({"data": [{"embedding": "AACAfw=="}]}),
            json!({"data": [{"embedding": [1e300]}]}),
            json!({"data": [{"embedding": [null]}]}),
            json!({"data": [{"embedding": {}}]}),
        ] {
            assert!(
                read_embed_answer(body.to_string().as_bytes()).is_err(),
                "{body}"
            );
        }
        let fault = read_embed_answer(br#"{"error":{"message":"m","code":429}}"#).unwrap_err();
        assert_eq!(fault.kind, Kind::RateLimited);
    }
}
