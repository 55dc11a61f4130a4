use serde_json::{Map, Value, json};

use super::fields::camel_case;

/// A JSON schema of what Google calls one, a dialect of OpenAPI's with types in capitals. As deep as the body, which
/// its parser has bounded.
pub(super) fn json_schema(schema: Value) -> Value {
    let Value::Object(fields) = schema else {
        return schema;
    };
    let mut nullable = false;
    let mut json = Map::with_capacity(fields.len());
    for (name, value) in fields {
        let name = camel_case(name);
        let value = match name.as_str() {
            "nullable" => {
                nullable = value == json!(true);
                continue;
            }
            // Only the order of a text's fields, and what says nothing to others.
            "propertyOrdering" => continue,
            "format" if value == json!("enum") => continue,
            "type" if value == json!("TYPE_UNSPECIFIED") => continue,
            "type" => lowercase(value),
            "items" | "additionalProperties" => json_schema(value),
            "anyOf" => each(value),
            "properties" | "defs" => values(value),
            "example" => Value::Array(vec![value]),
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
            | "maxProperties" => count(value),
            _ => value,
        };
        let name = match name.as_str() {
            "defs" => "$defs".to_owned(),
            "ref" => "$ref".to_owned(),
            "example" => "examples".to_owned(),
            _ => name,
        };
        json.insert(name, value);
    }
    if nullable {
        allow_null(&mut json);
    }
    Value::Object(json)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(one) = schema.get_mut("type").filter(|it| it.is_string()) {
        *one = json!([one.take(), "null"]);
    }
    for name in ["enum", "anyOf"] {
        let null = match name {
            "enum" => Value::Null,
            _ => json!({"type": "null"}),
        };
        if let Some(Value::Array(values)) = schema.get_mut(name)
            && !values.contains(&null)
        {
            values.push(null);
        }
    }
}

fn lowercase(value: Value) -> Value {
    match value {
        Value::String(name) => Value::String(name.to_ascii_lowercase()),
        Value::Array(names) => names.into_iter().map(lowercase).collect(),
        other => other,
    }
}

fn each(value: Value) -> Value {
    match value {
        Value::Array(schemas) => schemas.into_iter().map(json_schema).collect(),
        other => other,
    }
}

/// Names of properties are the caller's own.
fn values(value: Value) -> Value {
    match value {
        Value::Object(schemas) => {
            let schemas = schemas.into_iter();
            Value::Object(schemas.map(|(name, it)| (name, json_schema(it))).collect())
        }
        other => other,
    }
}

/// Google writes 64-bit integers as strings.
fn count(value: Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        Some(count) => Value::from(count),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::json_schema;

    #[test]
    fn googles_schemas_become_json_schemas() {
        let google = json!({
            "type": "OBJECT",
            "property_ordering": ["b_c", "d"],
            "properties": {
                "b_c": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["x"], "max_length": "7"},
                "d": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": 1},
                "e": {"anyOf": [{"type": "NUMBER"}, {"$ref": "#/defs/f"}], "nullable": true},
            },
            "defs": {"f": {"type": "BOOLEAN", "example": true}},
            "required": ["b_c"],
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "b_c": {"type": ["string", "null"], "enum": ["x", null], "maxLength": 7},
                "d": {"type": "array", "items": {"type": "integer", "format": "int32"}, "minItems": 1},
                "e": {"anyOf": [{"type": "number"}, {"$ref": "#/defs/f"}, {"type": "null"}]},
            },
            "$defs": {"f": {"type": "boolean", "examples": [true]}},
            "required": ["b_c"],
        });
        assert_eq!(json_schema(google), expected);
    }

    #[test]
    fn what_is_no_schema_is_left_to_the_provider() {
        for value in [
            json!(null),
            json!("x"),
            json!([1]),
            json!({"properties": 7, "anyOf": "x", "type": 1}),
        ] {
            assert_eq!(json_schema(value.clone()), value);
        }
    }
}
