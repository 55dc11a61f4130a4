use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use tollgate_core::Rejection;

/// How strangers are turned away: the refusals, each with its `WWW-Authenticate` (RFC 6750, 3).
pub(crate) struct Challenge {
    bare: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
}

impl Challenge {
    pub(crate) fn new(realm: &str) -> Self {
        let realm = quoted(realm);
        let with = |error: &str| {
            HeaderValue::try_from(format!("Bearer realm={realm}{error}"))
                .expect("a quoted realm is printable ASCII")
        };
        Self {
            bare: with(""),
            invalid_token: with(", error=\"invalid_token\""),
            invalid_request: with(", error=\"invalid_request\""),
        }
    }

    /// Without an error code: whoever sent nothing has made no error yet.
    pub(crate) fn missing(&self) -> Rejection {
        Rejection::new(
            StatusCode::UNAUTHORIZED,
            "missing_credentials",
            "no credential was sent; send `Authorization: Bearer <key>`",
        )
        .with_header(WWW_AUTHENTICATE, self.bare.clone())
    }

    /// The same words for every wrong credential, so that they tell nothing about the right ones.
    pub(crate) fn wrong(&self) -> Rejection {
        Rejection::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "the credential is not valid",
        )
        .with_header(WWW_AUTHENTICATE, self.invalid_token.clone())
    }

    pub(crate) fn unclear(&self, why: &'static str) -> Rejection {
        Rejection::new(StatusCode::BAD_REQUEST, "invalid_credentials", why)
            .with_header(WWW_AUTHENTICATE, self.invalid_request.clone())
    }
}

/// A quoted string (RFC 9110, 5.6.4) of printable ASCII; what cannot stand in it is `_`.
fn quoted(realm: &str) -> String {
    let mut quoted = String::with_capacity(realm.len() + 2);
    quoted.push('"');
    for char in realm.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.push('_'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        assert_eq!(quoted("my api"), r#""my api""#);
        assert_eq!(quoted(r#"a", b="c"#), r#""a\", b=\"c""#);
        assert_eq!(quoted("a\r\nb\u{e9}"), r#""a__b_""#);
    }
}
