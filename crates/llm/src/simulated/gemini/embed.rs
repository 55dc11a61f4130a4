use serde_json::{Value, json};

use super::{contents::items, rules::whole};
use crate::simulated::{asked::tokens, openai::vector, refusal::Refusal};

/// Answers a request for one embedding, and says how many tokens it read.
pub(crate) fn embed(body: &Value) -> Result<(Value, u64), Refusal> {
    let (embedding, read) = one(body)?;
    let usage = json!({ "promptTokenCount": read });
    Ok((
        json!({ "embedding": embedding, "usageMetadata": usage }),
        read,
    ))
}

/// Answers a request for many embeddings, and says how many tokens it read.
pub(crate) fn batch(body: &Value) -> Result<(Value, u64), Refusal> {
    let requests: Vec<_> = items(&body["requests"]).collect();
    if requests.is_empty() || requests.len() > 100 {
        let message = "* BatchEmbedContentsRequest.requests: between 1 and 100 requests can be in one batch\n";
        return Err(Refusal::bad(message));
    }
    let all = requests
        .into_iter()
        .map(one)
        .collect::<Result<Vec<_>, _>>()?;
    let read = all.iter().map(|(_, read)| read).sum();
    let embeddings: Vec<_> = all.into_iter().map(|(embedding, _)| embedding).collect();
    let usage = json!({ "promptTokenCount": read });
    Ok((
        json!({ "embeddings": embeddings, "usageMetadata": usage }),
        read,
    ))
}

fn one(request: &Value) -> Result<(Value, u64), Refusal> {
    let texts: Vec<_> = items(&request["content"]["parts"])
        .filter_map(|it| it["text"].as_str())
        .collect();
    if texts.is_empty() {
        return Err(Refusal::bad(
            "* EmbedContentRequest.content: contents is not specified\n",
        ));
    }
    let text = texts.join("\n");
    let config = &request["embedContentConfig"];
    let asked = [
        &request["outputDimensionality"],
        &config["outputDimensionality"],
    ];
    let dimensions = asked.into_iter().find_map(whole).unwrap_or(8);
    if !(1..=4096).contains(&dimensions) {
        let message = "* EmbedContentRequest.output_dimensionality: must be between 1 and 4096\n";
        return Err(Refusal::bad(message));
    }
    Ok((
        json!({ "values": vector(&text, dimensions) }),
        tokens(&text),
    ))
}
