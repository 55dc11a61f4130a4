use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

/// What a caller presents to prove who it is: a key or a token, without the scheme before it.
///
/// It is of visible ASCII characters, at least one and at most 16 KiB. It never shows itself in `Debug`.
#[derive(Clone)]
pub struct Credential<'a> {
    value: Cow<'a, HeaderValue>,
    start: usize,
}

impl<'a> Credential<'a> {
    /// A header's whole value as a credential, if it can be one.
    #[must_use]
    pub fn new(value: &'a HeaderValue) -> Option<Self> {
        Self::after(value, 0)
    }

    /// What of a header's value follows a scheme.
    fn after(value: &'a HeaderValue, start: usize) -> Option<Self> {
        let secret = &value.as_bytes()[start..];
        let fits = (1..=LONGEST).contains(&secret.len());
        // To the end, whatever is found: so many bytes are looked at at once.
        let is_visible = |all, byte: &u8| all & byte.is_ascii_graphic();
        (fits && secret.iter().fold(true, is_visible)).then_some(Self {
            value: Cow::Borrowed(value),
            start,
        })
    }

    /// The secret itself. Compare it in constant time, and never log it.
    #[must_use]
    pub fn secret(&self) -> &str {
        // Always ASCII, as `after` has seen to.
        std::str::from_utf8(&self.value.as_bytes()[self.start..]).unwrap_or_default()
    }

    /// The same credential, to keep; a verdict that takes time may need it.
    #[must_use]
    pub fn into_owned(self) -> Credential<'static> {
        Credential {
            value: Cow::Owned(self.value.into_owned()),
            start: self.start,
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// What the headers of a request hold.
pub(crate) enum Presented<'n, 'v> {
    Nothing,
    /// An `Authorization` of another scheme than `Bearer`.
    OtherScheme,
    One(&'n HeaderName, Credential<'v>),
    /// It is not clear what the caller means, for this reason.
    Invalid(&'static str),
}

impl<'n, 'v> Presented<'n, 'v> {
    /// Looks for exactly one credential. Of two, somebody before or after us may believe the other one.
    pub(crate) fn in_headers(headers: &'v HeaderMap, names: &'n [HeaderName]) -> Self {
        let mut found = None;
        for name in names {
            for value in headers.get_all(name) {
                if found.replace((name, value)).is_some() {
                    return Self::Invalid("more than one credential was sent");
                }
            }
        }
        match found {
            None => Self::Nothing,
            Some((name, value)) if *name == AUTHORIZATION => Self::authorization(name, value),
            Some((name, value)) => Self::one(name, Credential::new(value)),
        }
    }

    fn authorization(name: &'n HeaderName, value: &'v HeaderValue) -> Self {
        let bytes = value.as_bytes();
        let scheme = bytes.iter().take_while(|byte| **byte != b' ').count();
        if scheme == 0 {
            return Self::one(name, None);
        }
        if !bytes[..scheme].eq_ignore_ascii_case(b"bearer") {
            return Self::OtherScheme;
        }
        let spaces = bytes[scheme..].iter().take_while(|byte| **byte == b' ');
        let start = scheme + spaces.count();
        Self::one(name, Credential::after(value, start))
    }

    fn one(name: &'n HeaderName, credential: Option<Credential<'v>>) -> Self {
        credential.map_or(
            Self::Invalid("the credential is empty or malformed"),
            |credential| Self::One(name, credential),
        )
    }
}

const LONGEST: usize = 16 << 10;
