use std::collections::HashSet;

use serde_json::{Map, Value};

/// A schema as Anthropic takes it where an answer is held to it: objects are closed. Says whether that is all there
/// was to change; if not, what the provider refuses was taken out.
pub(super) fn close(schema: &Value) -> (Value, bool) {
    let mut schema = schema.clone();
    let mut same = true;
    closed(&mut schema, &mut same);
    (schema, same)
}

/// Whether all properties of all objects are required, as OpenAI's strict schemas want it.
pub(super) fn is_total(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else {
        return true;
    };
    let list = |name| fields.get(name).and_then(Value::as_array);
    let required: HashSet<_> = list("required")
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = fields.get("properties").and_then(Value::as_object);
    let mut names = properties.into_iter().flat_map(Map::keys);
    names.all(|name| required.contains(name.as_str())) && below(fields).all(is_total)
}

fn closed(schema: &mut Value, same: &mut bool) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    let before = fields.len();
    fields.retain(|name, value| match name.as_str() {
        "minItems" => matches!(value.as_u64(), Some(0 | 1)),
        name => !REFUSED.contains(&name),
    });
    *same &= fields.len() == before;
    if !fields.contains_key("anyOf")
        && let Some(variants) = fields.remove("oneOf")
    {
        // The nearest that Anthropic has.
        fields.insert("anyOf".to_owned(), variants);
    }
    let is_object = match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.contains_key("properties"),
    };
    if is_object {
        let closed = Value::Bool(false);
        let before = fields.insert("additionalProperties".to_owned(), closed);
        *same &= matches!(before, None | Some(Value::Bool(false)));
    }
    for name in ONE {
        if let Some(schema) = fields.get_mut(name) {
            closed(schema, same);
        }
    }
    for name in LISTS {
        let schemas = fields.get_mut(name).and_then(Value::as_array_mut);
        schemas
            .into_iter()
            .flatten()
            .for_each(|it| closed(it, same));
    }
    for name in MAPS {
        let schemas = fields.get_mut(name).and_then(Value::as_object_mut);
        let schemas = schemas.into_iter().flat_map(Map::values_mut);
        schemas.for_each(|it| closed(it, same));
    }
}

/// The schemas inside one.
fn below(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let one = ONE.iter().filter_map(|name| fields.get(*name));
    let lists = LISTS
        .iter()
        .filter_map(|name| fields.get(*name)?.as_array());
    let maps = MAPS
        .iter()
        .filter_map(|name| fields.get(*name)?.as_object());
    one.chain(lists.flatten()).chain(maps.flat_map(Map::values))
}

const ONE: [&str; 1] = ["items"];
const LISTS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];
const REFUSED: [&str; 14] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "contains",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{close, is_total};

    #[test]
    fn every_object_is_closed() {
        let schema = json!({
            "type": "object",
            "properties": {
                "minimum": { "type": ["object", "null"], "properties": {} },
                "b": { "type": "array", "items": { "properties": {} } },
                "c": { "oneOf": [{ "type": "object", "additionalProperties": false }, { "$ref": "#/$defs/d" }] },
            },
            "$defs": { "d": { "type": "object" } },
        });
        let (closed, same) = close(&schema);
        assert!(same);
        assert_eq!(
            closed,
            json!({
                "type": "object",
                "properties": {
                    "minimum": { "type": ["object", "null"], "properties": {}, "additionalProperties": false },
                    "b": { "type": "array", "items": { "properties": {}, "additionalProperties": false } },
                    "c": { "anyOf": [{ "type": "object", "additionalProperties": false }, { "$ref": "#/$defs/d" }] },
                },
                "$defs": { "d": { "type": "object", "additionalProperties": false } },
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn what_is_refused_is_taken_out_and_said() {
        for (schema, expected) in [
            (
                json!({ "type": "number", "minimum": 1 }),
                json!({ "type": "number" }),
            ),
            (
                json!({ "type": "array", "minItems": 2 }),
                json!({ "type": "array" }),
            ),
            (
                json!({ "type": "object", "additionalProperties": true }),
                json!({ "type": "object", "additionalProperties": false }),
            ),
        ] {
            assert_eq!(close(&schema), (expected, false));
        }
        let kept = json!({ "type": "array", "minItems": 1, "items": true });
        assert_eq!(close(&kept), (kept, true));
    }

    #[test]
    fn a_schema_is_total_if_nothing_is_optional() {
        let inner = json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] });
        assert!(is_total(
            &json!({ "type": "object", "properties": { "x": inner }, "required": ["x"] })
        ));
        assert!(!is_total(
            &json!({ "type": "object", "properties": { "x": inner } })
        ));
        let optional = json!({ "items": { "properties": { "a": {} }, "required": [] } });
        assert!(!is_total(&optional));
    }
}
