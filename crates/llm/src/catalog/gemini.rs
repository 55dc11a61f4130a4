use serde_json::{Map, Value, json};
use tollgate_core::Rejection;

use super::{
    Model,
    query::{Query, wrong},
};
use crate::ModelKind;

/// The page of models that `pageSize` and `pageToken` ask for. The token is the name of the last model before the page.
pub(super) fn list(models: &[&Model], query: &Query<'_>) -> Result<Value, Rejection> {
    let size = match query.count("pageSize")? {
        None | Some(0) => USUAL, // To Google, nothing and zero are the same.
        Some(size) => size.min(MOST),
    };
    let begin = match query.get("pageToken") {
        None => 0,
        Some(last) => {
            let at = models.iter().position(|model| *model.name() == *last);
            at.ok_or_else(|| wrong("pageToken", "is none that was given out"))? + 1
        }
    };
    let rest = &models[begin..];
    let page = &rest[..size.min(rest.len())];
    let mut list = Map::new();
    let shown: Vec<_> = page.iter().map(|it| model(it.name(), it)).collect();
    list.insert("models".into(), shown.into());
    if page.len() < rest.len() {
        let last = page.last().map(|model| model.name());
        list.insert("nextPageToken".into(), last.into());
    }
    Ok(list.into())
}

/// One model, by the name that was asked for. A limit that is not known is left out.
pub(super) fn model(name: &str, model: &Model) -> Value {
    let mut candidates = model.candidates().iter();
    let embeds = candidates.any(|it| it.info.kind == Some(ModelKind::Embeddings));
    let methods: &[&str] = if embeds {
        &["embedContent"]
    } else {
        &["generateContent", "streamGenerateContent"]
    };
    let mut json = Map::new();
    json.insert("name".into(), format!("models/{name}").into());
    json.insert("displayName".into(), name.into());
    let limits = [
        ("inputTokenLimit", model.context_window()),
        ("outputTokenLimit", model.max_output()),
    ];
    for (field, limit) in limits {
        if let Some(limit) = limit {
            json.insert(field.into(), limit.into());
        }
    }
    json.insert("supportedGenerationMethods".into(), json!(methods));
    json.into()
}

/// How many models a page has if nobody says so.
const USUAL: usize = 50;

/// How many models a page has at most, whatever is asked for.
const MOST: usize = 1000;
