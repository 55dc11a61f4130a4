use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path without percent-encodings, if all that read it agree on what it names.
///
/// They do not on empty segments, dots for segments, backslashes, parameters after a `;`, control characters, and what is
/// encoded twice, not well, or not as UTF-8.
pub(super) fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if is_plain(path) {
        return Some(Cow::Borrowed(path));
    }
    if !path.starts_with('/') || !is_well_encoded(path) {
        return None;
    }
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let twice = decoded.contains('%');
    let strange = decoded.contains(|char: char| char.is_control() || char == '\\' || char == ';');
    let segments = decoded.split('/').skip(1);
    let last = segments.clone().count().saturating_sub(1);
    let dots = segments
        .enumerate()
        .any(|(n, segment)| matches!(segment, "." | "..") || (segment.is_empty() && n != last));
    (!twice && !strange && !dots).then_some(decoded)
}

/// Whether there is nothing to disagree on, as in most paths: no questions asked.
fn is_plain(path: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_".contains(byte);
    let path = path.as_bytes();
    path.starts_with(b"/") && path.iter().all(plain) && path.windows(2).all(|pair| pair != b"//")
}

fn is_well_encoded(path: &str) -> bool {
    let mut encodings = path.split('%').skip(1);
    encodings.all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_none() {
        for path in [
            "",
            "*",
            "admin",
            "//",
            "//admin",
            "/v1//admin",
            "/v1/%2fadmin",
            "/v1%2F%2Fadmin",
            "/.",
            "/..",
            "/./admin",
            "/v1/../admin",
            "/v1/%2e%2e/admin",
            "/v1/.%2E/admin",
            "/v1/%2e/admin",
            "/v1%2f..%2fadmin",
            "/v1/..",
            "/v1\\admin",
            "/v1/%5cadmin",
            "/v1/..%5cadmin",
            "/v1;x/admin",
            "/v1/..;/admin",
            "/v1%3bx",
            "/v1/%00",
            "/v1/%0d%0a",
            "/v1/%7f",
            "/v1/%c2%85",
            "/v1/%252e%252e/admin",
            "/v1/100%25",
            "/v1/%",
            "/v1/%2",
            "/v1/%zz",
            "/v1/%ff",
            "/v1/%c0%ae%c0%ae/admin",
            "/v1/%e9",
        ] {
            assert_eq!(decoded(path), None, "{path}");
        }
    }

    #[test]
    fn any_other_path_is_decoded() {
        for (path, expected) in [
            ("/", "/"),
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/models/", "/v1/models/"),
            ("/v1/models/a%2Fb", "/v1/models/a/b"),
            ("/v1/%61dmin", "/v1/admin"),
            (
                "/v1beta/models/gemini-2.5-pro:generateContent",
                "/v1beta/models/gemini-2.5-pro:generateContent",
            ),
            ("/model/a.b-v1%3A0/invoke", "/model/a.b-v1:0/invoke"),
            ("/v1/files/...", "/v1/files/..."),
            ("/caf%C3%A9", "/caf\u{e9}"),
        ] {
            assert_eq!(decoded(path).as_deref(), Some(expected), "{path}");
        }
    }
}
