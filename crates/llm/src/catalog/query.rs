use std::borrow::Cow;

use http::{StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use tollgate_core::Rejection;

/// The parameters behind a path's `?`.
pub(super) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        Self(parts.uri.query().unwrap_or_default())
    }

    /// A parameter's value; the first one's, if there are several. An empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|&(key, value)| key == name && !value.is_empty())?;
        if value.contains('+') {
            return Some(decoded(&value.replace('+', " ")).into_owned().into());
        }
        Some(decoded(value))
    }

    /// A parameter that is a number.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<usize>, Rejection> {
        let count = self.get(name).map(|value| value.parse()).transpose();
        count.map_err(|_| wrong(name, "is a whole number that is not negative"))
    }
}

/// The refusal of a parameter that is not what it must be.
pub(super) fn wrong(name: &'static str, must: &str) -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "invalid_parameter",
        format!("`{name}` {must}"),
    )
    .with_detail("param", name)
}

/// The text with its `%2F` and the like resolved. What does not decode stays as it is, and names nothing.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn what_does_not_decode_stays() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a%2Fb%2fc", "a/b/c"),
            ("%C3%A9", "é"),
            ("%252F", "%2F"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%é", "%é"),
            ("%C3", "%C3"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
