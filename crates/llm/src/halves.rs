//! Halves of surrogate pairs in what providers send.
//!
//! Servers that cut strings by UTF-16 units write one character as `"\ud83c"` at the end of a delta and `"\udf0d"` at
//! the start of the next. Alone, neither is a character, and JSON readers refuse them.

use serde::de::DeserializeOwned;

/// Reads a provider's JSON, also with halves of surrogate pairs in it; those stand as private characters until
/// [`Halves`] joins them.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    match serde_json::from_slice(json) {
        Ok(value) => Some(value),
        Err(_) => serde_json::from_slice(&mark(json)?).ok(),
    }
}

/// Joins halves that stand at the edges of pieces of text, and replaces those whose other half does not come.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    high: Option<char>,
}

impl Halves {
    /// Takes a piece of one text, and gives what is known of it.
    pub(crate) fn join(&mut self, text: &mut String) {
        if self.high.is_none() && !text.chars().any(is_half) {
            return;
        }
        let mut joined = String::with_capacity(text.len() + 4);
        for next in text.chars() {
            match (self.high.take(), unit(next)) {
                (Some(high), Some(low)) if is_low(low) => {
                    let pair = char::decode_utf16([unit(high).unwrap_or(0), low]).next();
                    joined.push(pair.and_then(Result::ok).unwrap_or(REPLACEMENT));
                    continue;
                }
                (Some(_), _) => joined.push(REPLACEMENT),
                (None, _) => {}
            }
            match unit(next) {
                Some(half) if is_low(half) => joined.push(REPLACEMENT),
                Some(_) => self.high = Some(next),
                None => joined.push(next),
            }
        }
        *text = joined;
    }

    /// The text has ended; gives what a half without the other is shown as.
    pub(crate) fn finish(&mut self) -> Option<char> {
        self.high.take().map(|_| REPLACEMENT)
    }
}

/// The same JSON with a private character for each half of a pair that stands alone; nothing if there is none.
fn mark(json: &[u8]) -> Option<Vec<u8>> {
    let mut marked = Vec::with_capacity(json.len());
    let (mut from, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &json[at..]) {
        at += found;
        match escaped(&json[at..]) {
            Some(high) if (0xd800..0xdc00).contains(&high) => {
                if escaped(&json[at + 6..]).is_some_and(is_low) {
                    at += 12; // A whole pair.
                    continue;
                }
                push(&mut marked, &json[from..at], high);
                at += 6;
                from = at;
            }
            Some(low) if is_low(low) => {
                push(&mut marked, &json[from..at], low);
                at += 6;
                from = at;
            }
            Some(_) => at += 6,
            None => at = (at + 2).min(json.len()),
        }
    }
    if from == 0 {
        return None;
    }
    marked.extend_from_slice(&json[from..]);
    Some(marked)
}

fn push(marked: &mut Vec<u8>, before: &[u8], half: u16) {
    marked.extend_from_slice(before);
    let private = char::from_u32(PRIVATE + u32::from(half)).unwrap_or(REPLACEMENT);
    marked.extend_from_slice(private.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The unit of a `\uXXXX` at the start.
fn escaped(json: &[u8]) -> Option<u16> {
    let hex = json.strip_prefix(b"\\u")?.get(..4)?;
    let hex = std::str::from_utf8(hex).ok()?;
    u16::from_str_radix(hex, 16).ok()
}

fn is_half(it: char) -> bool {
    unit(it).is_some()
}

/// The unit that a private character stands for.
fn unit(it: char) -> Option<u16> {
    let unit = u32::from(it).checked_sub(PRIVATE)?;
    let unit = u16::try_from(unit).ok()?;
    (0xd800..0xe000).contains(&unit).then_some(unit)
}

const fn is_low(unit: u16) -> bool {
    matches!(unit, 0xdc00..0xe000)
}

/// The last private plane.
const PRIVATE: u32 = 0x10_0000;
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Halves, read};

    #[test]
    fn a_character_cut_in_two_is_whole_again() {
        let pieces = [r#""a\ud83c""#, r#""\udf0db""#, r#""\ud83c\udf0d""#];
        let mut halves = Halves::default();
        let mut all = String::new();
        for piece in pieces {
            let mut text: String = read(piece.as_bytes()).unwrap();
            halves.join(&mut text);
            all.push_str(&text);
        }
        assert_eq!(
            (all.as_str(), halves.finish()),
            ("a\u{1f30d}b\u{1f30d}", None)
        );
    }

    #[test]
    fn a_half_without_the_other_is_replaced() {
        for (json, text, rest) in [
            (r#""\udf0dx""#, "\u{fffd}x", None),
            (r#""\ud83cx""#, "\u{fffd}x", None),
            (r#""x\ud83c""#, "x", Some('\u{fffd}')),
            (r#""\ud83c\ud83c\udf0d""#, "\u{fffd}\u{1f30d}", None),
            (r#""\\ud83c""#, r"\ud83c", None),
        ] {
            let mut halves = Halves::default();
            let mut read: String = read(json.as_bytes()).unwrap();
            halves.join(&mut read);
            assert_eq!((read.as_str(), halves.finish()), (text, rest), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_for_other_reasons_stays_so() {
        for json in ["", "{", r#""\u12""#, r#""\ud83c"#, "\"\\", "\"\\ud83c\\u\""] {
            assert_eq!(read::<Value>(json.as_bytes()), None, "{json}");
        }
    }
}
