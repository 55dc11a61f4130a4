use jiff::Timestamp;
use serde_json::{Value, json};

/// A model in Anthropic's form.
pub(crate) fn model_json(name: &str, created: u64) -> Value {
    let seconds = i64::try_from(created).ok();
    let created = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    json!({
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": created.unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
    })
}

/// All models, on one page.
pub(crate) fn models_json(models: Vec<Value>) -> Value {
    let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
    json!({
        "first_id": id(models.first()),
        "last_id": id(models.last()),
        "has_more": false,
        "data": models,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{model_json, models_json};

    #[test]
    fn models_stand_on_one_page() {
        let models = models_json(vec![
            model_json("a", 1_700_000_000),
            model_json("b", u64::MAX),
        ]);
        assert_eq!(
            (&models["first_id"], &models["last_id"], &models["has_more"]),
            (&json!("a"), &json!("b"), &json!(false))
        );
        assert_eq!(models["data"][0]["created_at"], "2023-11-14T22:13:20Z");
        assert_eq!(models["data"][1]["created_at"], "1970-01-01T00:00:00Z");
        assert_eq!(models_json(Vec::new())["first_id"], json!(null));
    }
}
