use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use tollgate_core::json;

use super::Algorithm;

/// A signed token that has been taken apart, and of which nothing is believed yet.
///
/// The header is read to find the one key that may have signed it. Whatever in it could name another key, or change what
/// the signature covers, makes it no token of ours.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    pub(super) claims: Value,
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Token<'a> {
    /// Whether a text has the outer shape of a token: cheap, and true of no key.
    pub(super) fn is_like(text: &str) -> bool {
        text.len() <= LONGEST && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if !Self::is_like(text) {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header = part(header)?;
        let header = header.as_object()?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::named(header.get("alg")?.as_str()?)?,
            kid: text_of(header, "kid")?,
            typ: text_of(header, "typ")?,
            claims: part(claims)?,
            message,
            signature,
        })
    }
}

/// An object in base64url, which is strict: no padding, no other alphabet, no bits beyond the last byte.
fn part(text: &str) -> Option<Value> {
    json::object(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A member that may be absent, but is text when it is there.
fn text_of(header: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match header.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(|text| Some(text.to_owned())),
    }
}

const LONGEST: usize = 8 << 10;

/// What brings its own key, asks for what we do not do, or says that the payload is no set of claims.
const REFUSED: [&str; 7] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "cty"];
