use std::borrow::Cow;

use crate::{Dialect, canon::Signature};

/// A signature as it stands in Anthropic's form. One of another provider's is marked, so that it is known again when
/// the caller sends it back.
pub(super) fn seal(signature: &Signature) -> Cow<'_, str> {
    match signature.origin {
        Dialect::Anthropic => Cow::Borrowed(&signature.value),
        origin => Cow::Owned(format!("{MARK}{}.{}", origin.as_str(), signature.value)),
    }
}

/// The signature that a caller sends back; none if it is empty.
pub(super) fn unseal(value: String) -> Option<Signature> {
    let foreign = value.strip_prefix(MARK).and_then(|rest| {
        let (origin, value) = rest.split_once('.')?;
        let origin = FOREIGN.into_iter().find(|it| it.as_str() == origin)?;
        let value = value.to_owned();
        Some(Signature { origin, value })
    });
    match foreign {
        None if value.is_empty() => None,
        None => Some(own(value)),
        foreign => foreign,
    }
}

/// A signature of Anthropic's own.
pub(super) const fn own(value: String) -> Signature {
    Signature {
        origin: Dialect::Anthropic,
        value,
    }
}

const MARK: &str = "tollgate.";
const FOREIGN: [Dialect; 2] = [Dialect::OpenAi, Dialect::Gemini];

#[cfg(test)]
mod tests {
    use super::{seal, unseal};
    use crate::{Dialect, canon::Signature};

    #[test]
    fn a_signature_comes_back_with_its_origin() {
        for origin in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
            let signature = Signature {
                origin,
                value: "a.b+/=".to_owned(),
            };
            assert_eq!(unseal(seal(&signature).into_owned()), Some(signature));
        }
    }

    #[test]
    fn only_marked_signatures_are_foreign() {
        assert_eq!(unseal(String::new()), None);
        for own in ["x", "tollgate.", "tollgate.nobody.x", "tollgate.gemini"] {
            let read = unseal(own.to_owned()).unwrap();
            assert_eq!((read.origin, &*read.value), (Dialect::Anthropic, own));
        }
    }
}
