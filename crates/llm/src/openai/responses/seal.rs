//! What a model thought, in a form that a caller keeps as `encrypted_content` and sends back.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Dialect, canon::Signature};

/// Seals what was thought: text and signature. Redacted thinking has no text.
pub(super) fn close(text: Option<&str>, signature: &Signature) -> String {
    let Signature { origin, value } = signature;
    if *origin == Dialect::OpenAi {
        return value.clone(); // It is OpenAI's own seal.
    }
    let json = serde_json::to_vec(&(text, value)).unwrap_or_default();
    let mut sealed = format!("{MARK}{}.", origin.as_str());
    BASE64_URL_SAFE_NO_PAD.encode_string(json, &mut sealed);
    sealed
}

/// Opens a seal; under one that is not ours stays what the item shows.
pub(super) fn open(sealed: &str, shown: Option<String>) -> (Option<String>, Signature) {
    ours(sealed).unwrap_or_else(|| {
        let signature = Signature {
            origin: Dialect::OpenAi,
            value: sealed.to_owned(),
        };
        (shown, signature)
    })
}

fn ours(sealed: &str) -> Option<(Option<String>, Signature)> {
    let (origin, data) = sealed.strip_prefix(MARK)?.split_once('.')?;
    let origin = match origin {
        "anthropic" => Dialect::Anthropic,
        "gemini" => Dialect::Gemini,
        _ => return None,
    };
    let json = BASE64_URL_SAFE_NO_PAD.decode(data).ok()?;
    let (text, value) = serde_json::from_slice(&json).ok()?;
    Some((text, Signature { origin, value }))
}

const MARK: &str = "tollgate.";

#[cfg(test)]
mod tests {
    use super::{close, open};
    use crate::{Dialect, canon::Signature};

    #[test]
    fn what_is_sealed_comes_back() {
        for origin in [Dialect::Anthropic, Dialect::Gemini] {
            for text in [None, Some(""), Some("h\u{e9} \"x\"")] {
                let signature = Signature {
                    origin,
                    value: "a+/=".to_owned(),
                };
                let sealed = close(text, &signature);
                assert!(sealed.starts_with("tollgate."), "{sealed}");
                let shown = Some("changed by the caller".to_owned());
                assert_eq!(open(&sealed, shown), (text.map(str::to_owned), signature));
            }
        }
    }

    #[test]
    fn a_seal_of_openais_own_stays_as_it_is() {
        for sealed in ["gAAAAA", "tollgate.x.y", "tollgate.gemini.%", ""] {
            let (text, signature) = open(sealed, Some("shown".to_owned()));
            assert_eq!(text.as_deref(), Some("shown"));
            assert_eq!(signature.origin, Dialect::OpenAi);
            assert_eq!(close(text.as_deref(), &signature), sealed);
        }
    }
}
