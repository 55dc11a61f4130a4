mod ask;

use serde::{Deserialize, Serialize};
use tollgate_core::fact::Usage;

pub(crate) use self::ask::{read_embed_ask, write_embed_ask};
use super::{answer_read::unreadable, fault, usage::usage, wire};
use crate::canon::{EmbedAnswer, Fault};

/// Reads vectors, of one text or of several.
///
/// # Errors
/// If there are none.
pub(crate) fn read_embed_answer(body: &[u8]) -> Result<EmbedAnswer, Fault> {
    let read: Option<Vectors> = serde_json::from_slice(body).ok();
    let vectors = read.and_then(|read| match read.embedding {
        Some(one) => Some(vec![one.values]),
        None => Some(read.embeddings?.into_iter().map(|it| it.values).collect()),
    });
    Ok(EmbedAnswer {
        model: String::new(),
        vectors: vectors.ok_or_else(|| fault::told(body).unwrap_or_else(unreadable))?,
        usage: usage(body),
    })
}

/// Writes vectors; the first alone, unless the caller asked for several.
pub(crate) fn write_embed_answer(answer: &EmbedAnswer, batch: bool) -> Vec<u8> {
    let mut vectors = answer.vectors.iter().map(|values| Values { values });
    let (embedding, embeddings) = match batch {
        true => (None, Some(vectors.collect())),
        false => (vectors.next(), None),
    };
    wire::json(&Written {
        embedding,
        embeddings,
        usage_metadata: answer.usage.as_ref().map(UsageMetadata::of),
    })
}

#[derive(Deserialize)]
struct Vectors {
    embedding: Option<Vector>,
    embeddings: Option<Vec<Vector>>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(default)]
    values: Vec<f32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<Values<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<Values<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Serialize)]
struct Values<'a> {
    values: &'a [f32],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: u64,
    total_token_count: u64,
}

impl UsageMetadata {
    const fn of(usage: &Usage) -> Self {
        Self {
            prompt_token_count: usage.total_input(),
            total_token_count: usage.total(),
        }
    }
}
