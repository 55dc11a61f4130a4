use serde_json::{Map, Value};
use tollgate_core::Rejection;

use crate::{
    canon::Losses,
    json::{self, Path},
};

/// Takes the type, which must be there.
pub(super) fn kind(fields: &mut Map<String, Value>, at: Path<'_>) -> Result<String, Rejection> {
    let kind = fields.get_mut("type").map(Value::take);
    json::text(kind.unwrap_or_default(), at.key("type"))
}

/// The value of this field, which must be there; all others are named as lost.
pub(super) fn only(
    mut fields: Map<String, Value>,
    name: &str,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Value, Rejection> {
    let found = fields.get_mut(name).map(Value::take);
    losses.rest(fields, at);
    found.ok_or_else(|| json::missing(at.key(name)))
}
