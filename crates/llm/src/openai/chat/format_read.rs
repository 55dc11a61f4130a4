use serde_json::{Map, Value};
use tollgate_core::Rejection;

use super::take::{kind, only};
use crate::{
    canon::{Format, Losses},
    json::{self, Path},
};

/// Reads `response_format`.
pub(super) fn read(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<Format, Rejection> {
    let mut fields = json::object(value, at)?;
    match kind(&mut fields, at)?.as_str() {
        "text" => {
            losses.rest(fields, at);
            Ok(Format::Text)
        }
        "json_object" => {
            losses.rest(fields, at);
            Ok(Format::Json)
        }
        "json_schema" => {
            let schema = only(fields, "json_schema", at, losses)?;
            let at = at.key("json_schema");
            schema_format(json::object(schema, at)?, at, losses)
        }
        _ => Err(json::unfit(
            at.key("type"),
            "text, json_object or json_schema",
        )),
    }
}

fn schema_format(
    fields: Map<String, Value>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Format, Rejection> {
    let (mut named, mut about, mut schema, mut exact) = (None, None, Map::new(), None);
    for (key, value) in fields {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "name" => named = Some(json::text(value, at)?),
            "description" => about = Some(json::text(value, at)?),
            "schema" => schema = json::object(value, at)?,
            "strict" => exact = Some(json::flag(&value, at)?),
            _ => losses.field(at.to_string()),
        }
    }
    Ok(Format::Schema {
        name: named,
        description: about,
        schema: schema.into(),
        strict: exact,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;
    use crate::{canon::Losses, json::Path};

    #[test]
    fn what_a_format_has_no_use_for_is_named() {
        for kind in ["text", "json_object"] {
            let mut losses = Losses::default();
            read(
                json!({"type": kind, "schema": {}}),
                Path::Body.key("x"),
                &mut losses,
            )
            .unwrap();
            assert_eq!(losses.fields(), ["x.schema"]);
        }
    }
}
