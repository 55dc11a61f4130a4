use serde::{Deserialize, Serialize};
use tollgate_core::Rejection;

use super::{
    ask_read::ask,
    ask_write::{Request, request},
    fields::{camel, object},
    wire,
};
use crate::{
    canon::{Ask, Losses, Target},
    json::{self, Path, wrong},
};

/// Reads the question how long something is: contents, or a whole request.
pub(crate) fn read_count_ask(body: &[u8], model: &str) -> Result<Ask, Rejection> {
    let mut fields = camel(json::body(body)?, Path::Body)?;
    let at = Path::Body.key("generateContentRequest");
    match fields.shift_remove("generateContentRequest") {
        Some(inner) if !inner.is_null() => {
            if fields.values().any(|value| !value.is_null()) {
                return Err(wrong(at, format!("`{at}` excludes all other fields")));
            }
            ask(object(inner, at)?, at, model, false)
        }
        _ => ask(fields, Path::Body, model, false),
    }
}

/// Asks Google how long a request is, with all that counts.
pub(crate) fn write_count_ask(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut request = request(ask, target, losses);
    request.model = Some(resource(target.model));
    wire::json(&CountAsk {
        generate_content_request: request,
    })
}

/// Reads how many tokens it was.
pub(crate) fn read_count(body: &[u8]) -> Option<u64> {
    let count: Count = serde_json::from_slice(body).ok()?;
    Some(count.total_tokens)
}

/// Says how many tokens it is.
pub(crate) fn write_count(count: u64) -> Vec<u8> {
    wire::json(&Count {
        total_tokens: count,
    })
}

/// A model's name as a body has it.
pub(super) fn resource(model: &str) -> String {
    if model.starts_with("models/") || model.starts_with("tunedModels/") {
        return model.to_owned();
    }
    format!("models/{model}")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountAsk<'a> {
    generate_content_request: Request<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_tokens: u64,
}
