use serde_json::{Map, Value, json};

/// The simplest value that a JSON schema allows: what is required, and the first of what can be chosen.
pub(crate) fn instance(schema: &Value) -> Value {
    Maker {
        root: schema,
        nodes: 0,
    }
    .value(schema, "value", 0)
}

struct Maker<'a> {
    root: &'a Value,
    nodes: usize,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        self.nodes += 1;
        // Schemas may refer to themselves, and doubly so.
        if depth > 16 || self.nodes > 1000 {
            return Value::Null;
        }
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#')) {
            let target = self.root.pointer(target).cloned().unwrap_or_default();
            return self.value(&target, name, depth + 1);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            let choices = schema[choice]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            if let Some(first) = choices.iter().find(|it| it["type"] != "null") {
                return self.value(&first.clone(), name, depth + 1);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds
                .iter()
                .find(|kind| *kind != "null")
                .and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("string") => string(schema, name),
            Some("integer") => schema
                .get("minimum")
                .filter(|it| it.is_i64())
                .cloned()
                .unwrap_or(json!(7)),
            Some("number") => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 64);
                (0..least)
                    .map(|_| self.value(&schema["items"], name, depth + 1))
                    .collect()
            }
            _ if schema["properties"].is_object() => self.object(schema, depth),
            Some("object") | None => json!({}),
            Some(_) => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut object = Map::new();
        for name in required.iter().filter_map(Value::as_str) {
            object.insert(
                name.into(),
                self.value(&schema["properties"][name], name, depth + 1),
            );
        }
        Value::Object(object)
    }
}

/// A text that is of the format that is asked for, or else names what it is for.
fn string(schema: &Value, name: &str) -> Value {
    let text = match schema["format"].as_str() {
        Some("date") => "2026-11-23".into(),
        Some("date-time") => "2026-11-23T12:00:00Z".into(),
        Some("time") => "12:00:00Z".into(),
        Some("email") => "someone@example.com".into(),
        Some("uri") => "https://example.com/".into(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".into(),
        _ => format!("some {name}"),
    };
    json!(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_what_is_required_and_follows_references() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": { "type": "string" },
                "unit": { "enum": ["C", "F"] },
                "days": { "type": ["null", "array"], "items": { "$ref": "#/$defs/day" }, "minItems": 2 },
                "spare": { "type": "string" },
            },
            "required": ["city", "unit", "days"],
            "$defs": { "day": { "anyOf": [{ "type": "null" }, { "type": "integer", "minimum": 3 }] } },
        });

        assert_eq!(
            instance(&schema),
            json!({ "city": "some city", "unit": "C", "days": [3, 3] })
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_twice_ends() {
        let schema = json!({
            "type": "object", "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } }, "required": ["a", "b"],
        });

        assert!(instance(&schema).is_object());
    }
}
