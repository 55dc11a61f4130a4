use std::fmt::Write;

use serde_json::Value;

use crate::halves::{self, Halves};

/// Any text in UTF-16, written in escapes and cut between any units, is what it is when read at once. The first byte
/// says how it is cut. And what is JSON for others reads the same here.
pub(super) fn check(input: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(input) {
        assert_eq!(halves::read::<Value>(input), Some(value));
    } else {
        halves::read::<Value>(input); // It may have halves, or be no JSON.
    }
    let Some((cut, text)) = input.split_first() else {
        return;
    };
    let units = text
        .chunks_exact(2)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    let units: Vec<u16> = units.collect();
    let expected = String::from_utf16_lossy(&units);
    if expected.chars().any(|it| it >= PRIVATE) {
        return; // What stands for halves stands for itself nowhere.
    }
    let (mut halves, mut joined) = (Halves::default(), String::new());
    for piece in units.chunks(1 + usize::from(cut % 8)) {
        let mut json = String::from("\"");
        for unit in piece {
            write!(json, "\\u{unit:04x}").expect("a string takes it");
        }
        json.push('"');
        let mut text: String = halves::read(json.as_bytes()).expect("escapes are JSON");
        halves.join(&mut text);
        joined.push_str(&text);
    }
    joined.extend(halves.finish());
    assert_eq!(joined, expected);
}

/// The last private plane.
const PRIVATE: char = '\u{100000}';
