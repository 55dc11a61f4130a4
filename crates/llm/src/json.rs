//! Reads a caller's JSON; what is wrong with it is refused by the field's name.

use std::fmt;

use http::StatusCode;
use serde_json::{Map, Value};
use tollgate_core::Rejection;

/// Where in a body a value stands; written only when it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    Body,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl<'a> Path<'a> {
    pub(crate) const fn key(&'a self, name: &'a str) -> Self {
        Self::Key(self, name)
    }

    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names are the caller's own text, so only their beginning is repeated.
        match self {
            Self::Body => Ok(()),
            Self::Key(Self::Body, name) => write!(f, "{name:.64}"),
            Self::Key(above, name) => write!(f, "{above}.{name:.64}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// A whole body.
pub(crate) fn body(bytes: &[u8]) -> Result<Map<String, Value>, Rejection> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(refuse(
            "invalid_json",
            None,
            "the body is not a JSON object",
        )),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let message = format!("the body is not valid JSON (line {line}, column {column})");
            Err(refuse("invalid_json", None, message))
        }
    }
}

pub(crate) fn object(value: Value, at: Path<'_>) -> Result<Map<String, Value>, Rejection> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(unfit(at, "an object")),
    }
}

pub(crate) fn list(value: Value, at: Path<'_>) -> Result<Vec<Value>, Rejection> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unfit(at, "a list")),
    }
}

pub(crate) fn text(value: Value, at: Path<'_>) -> Result<String, Rejection> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(unfit(at, "a string")),
    }
}

pub(crate) fn flag(value: &Value, at: Path<'_>) -> Result<bool, Rejection> {
    value.as_bool().ok_or_else(|| unfit(at, "true or false"))
}

pub(crate) fn number(value: &Value, at: Path<'_>) -> Result<f64, Rejection> {
    value.as_f64().ok_or_else(|| unfit(at, "a number"))
}

/// A count: an integer that is not negative.
pub(crate) fn count(value: &Value, at: Path<'_>) -> Result<u64, Rejection> {
    let whole = |value: &Value| {
        let number = value.as_f64()?;
        // Some clients write `100.0`. Above 2^53 floats are no longer exact.
        let fits = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        fits.then_some(number as u64)
    };
    let count = value.as_u64().or_else(|| whole(value));
    count.ok_or_else(|| unfit(at, "an integer of at least 0"))
}

/// Refuses a value that is none of those that its field can have.
pub(crate) fn unfit(at: Path<'_>, expected: &str) -> Rejection {
    wrong(at, format!("`{at}` must be {expected}"))
}

/// Refuses a value for a reason of its own.
pub(crate) fn wrong(at: Path<'_>, message: impl Into<String>) -> Rejection {
    refuse("invalid_value", Some(at), message)
}

/// Refuses a body that lacks a field.
pub(crate) fn missing(at: Path<'_>) -> Rejection {
    let message = format!("`{at}` is missing");
    refuse("missing_required_parameter", Some(at), message)
}

fn refuse(code: &'static str, at: Option<Path<'_>>, message: impl Into<String>) -> Rejection {
    let rejection = Rejection::new(StatusCode::BAD_REQUEST, code, message.into());
    match at {
        Some(at) => rejection.with_detail("param", at.to_string()),
        None => rejection,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Path, count, text};

    #[test]
    fn a_field_is_named_by_its_path() {
        let messages = Path::Body.key("messages");
        let message = messages.index(3);
        let refused = text(json!(1), message.key("role")).unwrap_err();
        assert_eq!(refused.message(), "`messages[3].role` must be a string");
        assert_eq!(refused.details()["param"], "messages[3].role");
    }

    #[test]
    fn a_count_is_a_whole_number_that_is_not_negative() {
        let at = Path::Body.key("n");
        for (value, expected) in [(json!(0), 0), (json!(7.0), 7), (json!(u64::MAX), u64::MAX)] {
            assert_eq!(count(&value, at).unwrap(), expected);
        }
        for value in [json!(-1), json!(0.5), json!("1"), json!(1e300), json!(null)] {
            assert!(count(&value, at).is_err(), "{value}");
        }
    }
}
