use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{Part, Signature};
use crate::Dialect;

/// What rides in a tool call's id to a caller whose dialect has no other place for it, and comes back with it.
///
/// Anthropic wants the thinking before a tool call back, with its signature, and Gemini the signature of the call;
/// callers of other dialects lose unknown fields but keep a call's id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Carried {
    /// The call's own signature.
    pub(crate) signature: Option<Signature>,
    /// What was thought before the call: text and signature. Redacted thinking has no text.
    pub(crate) thinking: Vec<(Option<String>, Signature)>,
}

impl Carried {
    /// What must ride with the tool calls of an answer whose parts these are, up to the first call.
    pub(crate) fn before_call(parts: &[Part]) -> Self {
        let mut carried = Self::default();
        for part in parts {
            match part {
                Part::Thinking {
                    text,
                    signature: Some(signature),
                } => carried
                    .thinking
                    .push((Some(text.clone()), signature.clone())),
                Part::Redacted(signature) => carried.thinking.push((None, signature.clone())),
                Part::ToolCall { signature, .. } => {
                    carried.signature.clone_from(signature);
                    break;
                }
                _ => {}
            }
        }
        carried
    }

    /// The id with this in it; the id itself if there is nothing to carry, or too much.
    pub(crate) fn into_id(self, id: &str) -> String {
        if self == Self::default() {
            return id.to_owned();
        }
        let note = Note {
            s: self.signature.map(Sealed::from),
            t: self
                .thinking
                .into_iter()
                .map(|(text, signature)| (text, Sealed::from(signature)))
                .collect(),
        };
        match serde_json::to_vec(&note) {
            Ok(json) if json.len() <= MOST => {
                format!("{id}{MARK}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
            }
            _ => id.to_owned(),
        }
    }

    /// Whether this is what an id carries.
    pub(crate) fn is_note(note: &[u8]) -> bool {
        Note::read(note).is_some()
    }

    /// The id as it was, and what it carried.
    pub(crate) fn from_id(id: &str) -> (&str, Self) {
        let Some((plain, note)) = id.split_once(MARK) else {
            return (id, Self::default());
        };
        match Note::read(note.as_bytes()) {
            Some(note) => (plain, note.into()),
            None => (id, Self::default()), // Somebody's own id, or a cut one.
        }
    }
}

/// Stands between an id and what it carries. Only letters that every provider allows in an id.
pub(crate) const MARK: &str = "__tollgate__";

/// What an id may carry; longer thinking stays behind.
const MOST: usize = 96 << 10;

#[derive(Serialize, Deserialize)]
struct Note {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    t: Vec<(Option<String>, Sealed)>,
}

impl Note {
    /// One that says something: of nothing there is no note.
    fn read(text: &[u8]) -> Option<Self> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let note: Self = serde_json::from_slice(&json).ok()?;
        (note.s.is_some() || !note.t.is_empty()).then_some(note)
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed(Dialect, String);

impl From<Signature> for Sealed {
    fn from(signature: Signature) -> Self {
        Self(signature.origin, signature.value)
    }
}

impl From<Sealed> for Signature {
    fn from(Sealed(origin, value): Sealed) -> Self {
        Self { origin, value }
    }
}

impl From<Note> for Carried {
    fn from(note: Note) -> Self {
        let thinking = note.t.into_iter();
        Self {
            signature: note.s.map(Signature::from),
            thinking: thinking
                .map(|(text, sealed)| (text, sealed.into()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Carried;
    use crate::{Dialect, canon::Signature};

    #[test]
    fn what_an_id_carries_comes_back() {
        let signature = |value: &str| Signature {
            origin: Dialect::Gemini,
            value: value.to_owned(),
        };
        let carried = Carried {
            signature: Some(signature("c2ln")),
            thinking: vec![
                (Some("h\u{e9}".to_owned()), signature("a+/=")),
                (None, signature("x")),
            ],
        };
        let id = carried.clone().into_id("call_1");
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        );
        assert_eq!(Carried::from_id(&id), ("call_1", carried));
    }

    #[test]
    fn an_id_of_somebody_elses_is_left_alone() {
        for id in [
            "",
            "call_1",
            "a__tollgate__b",
            "a__tollgate__bm8",
            "a__tollgate__e30",
        ] {
            assert_eq!(Carried::from_id(id), (id, Carried::default()));
        }
        assert_eq!(Carried::default().into_id("call_1"), "call_1");
    }
}
