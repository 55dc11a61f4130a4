use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};

use crate::{Dialect, canon::Signature};

/// What a `thoughtSignature` in this dialect stands for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Thought {
    /// The signature of thinking or of a call.
    Signed(Signature),
    /// Thinking that only its provider can read.
    Redacted(Signature),
}

/// A signature as a `thoughtSignature`. Google's own go as they are; those of others are marked and, as the field must
/// be, in base64.
pub(super) fn encode(signature: &Signature) -> Cow<'_, str> {
    if signature.origin == Dialect::Gemini {
        return Cow::Borrowed(&signature.value);
    }
    let (origin, value) = (signature.origin.as_str(), &signature.value);
    Cow::Owned(BASE64_STANDARD.encode(format!("{MARK}{origin}.{value}")))
}

/// Redacted thinking as a `thoughtSignature`.
pub(super) fn encode_redacted(signature: &Signature) -> String {
    let (origin, value) = (signature.origin.as_str(), &signature.value);
    BASE64_STANDARD.encode(format!("{MARK}{REDACTED}{origin}.{value}"))
}

/// What a caller sends back as a `thoughtSignature`; nothing if it says that there is none.
pub(super) fn decode(value: String) -> Option<Thought> {
    if value.is_empty() || value == SKIP {
        return None;
    }
    Some(foreign(&value).unwrap_or_else(|| Thought::Signed(google(value))))
}

/// A signature of Google's.
pub(super) const fn google(value: String) -> Signature {
    Signature {
        origin: Dialect::Gemini,
        value,
    }
}

/// Base64 in the standard alphabet, with padding. Google's SDK for Python sends the alphabet for URLs.
pub(super) fn standard(mut data: String) -> String {
    if data.contains(['-', '_']) {
        data = data.replace('-', "+").replace('_', "/");
    }
    while !data.len().is_multiple_of(4) && data.len() % 4 != 1 {
        data.push('=');
    }
    data
}

fn foreign(value: &str) -> Option<Thought> {
    if !value.starts_with(ENCODED_MARK) {
        return None;
    }
    let decoded = EITHER.decode(standard(value.to_owned())).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let rest = text.strip_prefix(MARK)?;
    let (rest, redacted) = match rest.strip_prefix(REDACTED) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (origin, value) = rest.split_once('.')?;
    let dialects = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini];
    let signature = Signature {
        origin: dialects.into_iter().find(|it| it.as_str() == origin)?,
        value: value.to_owned(),
    };
    Some(if redacted {
        Thought::Redacted(signature)
    } else {
        Thought::Signed(signature)
    })
}

/// What Google documents for calls that another model made.
pub(super) const SKIP: &str = "skip_thought_signature_validator";
const MARK: &str = "tollgate.";
/// What `MARK` is in base64.
const ENCODED_MARK: &str = "dG9sbGdhdGUu";
const REDACTED: &str = "redacted.";
const EITHER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::{Thought, decode, encode, encode_redacted, google, standard};
    use crate::{Dialect, canon::Signature};

    #[test]
    fn signatures_of_others_come_back_as_theirs() {
        let theirs = Signature {
            origin: Dialect::Anthropic,
            value: "EqQB??>>/+==".to_owned(),
        };
        let encoded = encode(&theirs).into_owned();
        let for_urls = encoded.replace('+', "-").replace('/', "_").replace('=', "");
        for value in [encoded, for_urls] {
            assert_eq!(decode(value), Some(Thought::Signed(theirs.clone())));
        }
        assert_eq!(
            decode(encode_redacted(&theirs)),
            Some(Thought::Redacted(theirs))
        );
    }

    #[test]
    fn googles_own_are_left_alone() {
        for value in ["AY89-_a==", "dG9sbGdhdGUu", "dG9sbGdhdGUu!!"] {
            let own = google(value.to_owned());
            assert_eq!(encode(&own), value);
            assert_eq!(decode(value.to_owned()), Some(Thought::Signed(own)));
        }
        for value in ["", "skip_thought_signature_validator"] {
            assert_eq!(decode(value.to_owned()), None);
        }
    }

    #[test]
    fn data_is_read_in_either_alphabet() {
        for (data, expected) in [("-_A", "+/A="), ("+/A=", "+/A="), ("", ""), ("A", "A")] {
            assert_eq!(standard(data.to_owned()), expected);
        }
    }
}
