//! How pages of the operators' API are read and written.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tollgate::core::json;

use super::problem::Problem;

/// Reads a body. Times may be written as in RFC 3339, or in milliseconds since 1970.
pub(super) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut value = read_object(body)?;
    if let Some(expires_at) = value.get_mut("expires_at")
        && let Some(text) = expires_at.as_str()
    {
        let time: Timestamp = text
            .parse()
            .map_err(|_| Problem::malformed("`expires_at` is written as 2027-01-31T00:00:00Z"))?;
        *expires_at = time.as_millisecond().into();
    }
    serde_json::from_value(value).map_err(|error| Problem::malformed(error.to_string()))
}

/// Reads a body, which may be absent. Of a name that stands twice nobody knows which one was meant; and a list would be read
/// field by field, an empty one as a key without limits.
pub(super) fn read_object(body: &[u8]) -> Result<Value, Problem> {
    let body = match body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    json::object(body).map_err(|error| Problem::malformed(error.to_string()))
}

/// A time, in milliseconds since 1970, for people.
pub(super) fn time(millis: i64) -> Value {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_string().into(),
        Err(_) => millis.into(),
    }
}
