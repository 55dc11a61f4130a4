use std::time::Duration;

use http::{HeaderMap, header::CACHE_CONTROL};

/// The directives of `Cache-Control` (RFC 9111, 5.2) that matter here, of a request or an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct CacheControl {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
}

impl CacheControl {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            // A comma inside quotes cuts too: that can only make a directive of a field's name, never hide one.
            for directive in value.as_bytes().split(|byte| *byte == b',') {
                control.read(directive.trim_ascii());
            }
        }
        control
    }

    fn read(&mut self, directive: &[u8]) {
        let end = directive.iter().position(|byte| *byte == b'=');
        let (name, value) = match end {
            Some(at) => (&directive[..at], &directive[at + 1..]),
            None => (directive, &[][..]),
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("private") {
            self.private = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            self.max_age = Some(shorter(self.max_age, seconds(value)));
        } else if is("s-maxage") {
            self.s_maxage = Some(shorter(self.s_maxage, seconds(value)));
        }
    }
}

/// Whole seconds, also in quotes. What is too much for a `u32` is much; what is no number counts as stale.
pub(crate) fn seconds(value: &[u8]) -> Duration {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let digits = value.strip_suffix(b"\"").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let seconds = digits.iter().fold(0_u32, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    Duration::from_secs(seconds.into())
}

fn shorter(known: Option<Duration>, other: Duration) -> Duration {
    known.map_or(other, |known| known.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_in_any_case_from_any_line() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, "public, No-Store".parse().unwrap());
        headers.append(CACHE_CONTROL, "max-age=60 ,private=\"x\"".parse().unwrap());

        let control = CacheControl::of(&headers);

        assert!(control.no_store && control.private);
        assert!(!control.no_cache && !control.only_if_cached);
        assert_eq!(control.max_age, Some(Duration::from_secs(60)));
    }

    #[test]
    fn an_age_that_makes_no_sense_is_stale() {
        for (value, expected) in [
            ("5", 5),
            ("\"5\"", 5),
            ("", 0),
            ("-1", 0),
            ("1.5", 0),
            ("99999999999999999999", u64::from(u32::MAX)),
        ] {
            assert_eq!(seconds(value.as_bytes()).as_secs(), expected, "{value}");
        }
    }
}
