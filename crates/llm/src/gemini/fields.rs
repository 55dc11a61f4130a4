use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::Losses,
    json::{self, Path, unfit, wrong},
};

/// The fields by their camelCase names. Google takes snake_case too, and its SDKs send both.
pub(super) fn camel(
    fields: Map<String, Value>,
    at: Path<'_>,
) -> Result<Map<String, Value>, Rejection> {
    if !fields.keys().any(|name| name.contains('_')) {
        return Ok(fields);
    }
    let mut camel = Map::with_capacity(fields.len());
    for (name, value) in fields {
        let name = camel_case(name);
        if camel.contains_key(&name) {
            let at = at.key(&name);
            return Err(wrong(at, format!("`{at}` stands there twice")));
        }
        camel.insert(name, value);
    }
    Ok(camel)
}

/// The name in camelCase.
pub(super) fn camel_case(name: String) -> String {
    if !name.contains('_') {
        return name;
    }
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// An object with camelCase names.
pub(super) fn object(value: Value, at: Path<'_>) -> Result<Map<String, Value>, Rejection> {
    camel(json::object(value, at)?, at)
}

/// A list. Google takes one value alone for a list of it, and its own examples use that.
pub(super) fn list(value: Value, at: Path<'_>) -> Result<Vec<Value>, Rejection> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Object(_) => Ok(vec![value]),
        _ => Err(unfit(at, "a list")),
    }
}

/// A list of texts.
pub(super) fn texts(value: Value, at: Path<'_>) -> Result<Vec<String>, Rejection> {
    let texts = json::list(value, at)?.into_iter().enumerate();
    texts
        .map(|(index, text)| json::text(text, at.index(index)))
        .collect()
}

/// An integer of either sign.
pub(super) fn integer(value: &Value, at: Path<'_>) -> Result<i64, Rejection> {
    let negative = |value: &Value| {
        let positive = Value::from(-value.as_f64()?);
        let count = json::count(&positive, at).ok()?;
        i64::try_from(count).ok().map(|count| -count)
    };
    if let Some(whole) = value.as_i64().or_else(|| negative(value)) {
        return Ok(whole);
    }
    let count = json::count(value, at).ok();
    let whole = count.and_then(|count| i64::try_from(count).ok());
    whole.ok_or_else(|| unfit(at, "an integer"))
}

/// Records a field that this form has no place for, unless its value says nothing.
pub(super) fn lose(value: &Value, at: Path<'_>, losses: &mut Losses) {
    if !says_nothing(value) {
        losses.field(at.to_string());
    }
}

/// Records a field that only matters to cost, speed or bookkeeping.
pub(super) fn lose_hint(value: &Value, at: Path<'_>, losses: &mut Losses) {
    if !says_nothing(value) {
        losses.hint(at.to_string());
    }
}

/// What a field that is not there says as well.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text.ends_with("_UNSPECIFIED"),
        Value::Array(values) => values.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{camel_case, integer, object};
    use crate::json::Path;

    #[test]
    fn names_are_read_in_either_spelling_but_not_in_both() {
        for (name, camel) in [
            ("topK", "topK"),
            ("top_k", "topK"),
            ("response_json_schema", "responseJsonSchema"),
            ("a_", "a"),
            ("_b", "B"),
        ] {
            assert_eq!(camel_case(name.to_owned()), camel);
        }
        let refused = object(json!({"topK": 1, "top_k": 2}), Path::Body).unwrap_err();
        assert_eq!(refused.message(), "`topK` stands there twice");
    }

    #[test]
    fn integers_may_be_negative_or_written_as_floats() {
        for (value, expected) in [
            (json!(-1), Some(-1)),
            (json!(-1.0), Some(-1)),
            (json!(7.0), Some(7)),
            (json!(i64::MIN), Some(i64::MIN)),
            (json!(u64::MAX), None),
            (json!(0.5), None),
            (json!(-1e300), None),
            (json!("1"), None),
        ] {
            assert_eq!(integer(&value, Path::Body).ok(), expected, "{value}");
        }
    }
}
