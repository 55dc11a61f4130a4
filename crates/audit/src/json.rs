use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CharEscape, CompactFormatter, Formatter},
};

/// Adds a value as one line of JSON, of printable ASCII only.
///
/// So no string, whoever chose it, can begin a line, move a terminal's cursor or turn the writing round; and none is
/// longer than [`LONGEST`], which an ellipsis shows.
pub(crate) fn write_line(value: &impl Serialize, lines: &mut Vec<u8>) {
    let start = lines.len();
    let written = value.serialize(&mut Serializer::new(&mut *lines));
    written.expect(INFALLIBLE);
    // Nearly all lines are plain and short, and written at once; the others are written again, with care.
    let line = &lines[start..];
    if line.len() > LONGEST || !is_plain(line) {
        lines.truncate(start);
        let mut serializer = Serializer::with_formatter(&mut *lines, Ascii::default());
        value.serialize(&mut serializer).expect(INFALLIBLE);
    }
    lines.push(b'\n');
}

/// The most bytes of a string, as it is written.
pub(crate) const LONGEST: usize = 2048;

#[derive(Default)]
struct Ascii {
    room: usize,
    cut: bool,
}

impl Ascii {
    fn put<W: ?Sized + Write>(&mut self, writer: &mut W, piece: &[u8]) -> io::Result<()> {
        if self.cut {
            return Ok(());
        }
        match self.room.checked_sub(piece.len()) {
            Some(room) => {
                self.room = room;
                writer.write_all(piece)
            }
            None => {
                self.cut = true;
                writer.write_all(b"\\u2026")
            }
        }
    }
}

impl Formatter for Ascii {
    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.room = LONGEST;
        self.cut = false;
        writer.write_all(b"\"")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.len() <= self.room && is_plain(fragment.as_bytes()) {
            return self.put(writer, fragment.as_bytes());
        }
        for char in fragment.chars() {
            if self.cut {
                break;
            }
            match char {
                ' '..='~' => self.put(writer, &[char as u8])?,
                _ => {
                    let mut escaped = Vec::with_capacity(12);
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        write!(escaped, "\\u{unit:04x}")?;
                    }
                    self.put(writer, &escaped)?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let mut escaped = Vec::with_capacity(6);
        CompactFormatter.write_char_escape(&mut escaped, escape)?;
        self.put(writer, &escaped)
    }
}

/// Whether all is printable ASCII; without an early exit, so that many bytes are compared at once.
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |plain, byte: &u8| plain & matches!(byte, b' '..=b'~');
    bytes.iter().fold(true, plain)
}

const INFALLIBLE: &str = "a record's keys are strings, and a vector takes all bytes";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{LONGEST, write_line};

    fn line(value: &Value) -> String {
        let mut lines = Vec::new();
        write_line(value, &mut lines);
        String::from_utf8(lines).unwrap()
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_of_printable_ascii_that_reads_back(text in "(?s).{0,60}", key in "(?s).{0,9}") {
            let value = json!({ "first": text, key: [text, 1.5, null] });

            let line = line(&value);

            prop_assert!(line.strip_suffix('\n').unwrap().bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        }
    }

    #[test]
    fn a_long_string_is_cut_wherever_it_can_be() {
        for char in ["a", "\n", "\"", "é", "🦀"] {
            let line = line(&json!([char.repeat(5000), "next"]));

            let read: Vec<String> = serde_json::from_str(&line).unwrap();
            let kept = read[0].strip_suffix('…').unwrap();
            assert!(char.repeat(5000).starts_with(kept), "{char}");
            assert!(
                (LONGEST - 12..=LONGEST + 32).contains(&line.len()),
                "{char}"
            );
            assert_eq!(read[1], "next");
        }
    }

    #[test]
    fn a_string_that_just_fits_is_whole() {
        let text = "a".repeat(LONGEST);

        assert_eq!(line(&json!(text)), format!("\"{text}\"\n"));
    }
}
