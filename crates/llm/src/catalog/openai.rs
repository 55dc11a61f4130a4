use serde_json::{Value, json};

use super::Model;

/// All models; there are no pages.
pub(super) fn list<'a>(models: impl Iterator<Item = &'a Model>) -> Value {
    let models: Vec<_> = models.map(|it| model(it.name(), it)).collect();
    json!({ "object": "list", "data": models })
}

/// One model, by the name that was asked for.
pub(super) fn model(name: &str, model: &Model) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": model.created(),
        "owned_by": "tollgate",
    })
}
