use std::borrow::Cow;

use memchr::memchr2;

/// The strings of a valid JSON text, in order: in one pass, and without a tree.
///
/// Words are found as they mean, not as they are written: `"\u0074ype"` is a `type` as well.
pub(super) struct Words<'a> {
    rest: &'a [u8],
    depth: usize,
}

/// A string, and where it stands.
pub(super) struct Word<'a> {
    /// As it is written, without its quotes.
    pub(super) raw: &'a [u8],
    /// So many bytes of the text are left where it begins.
    pub(super) left: usize,
    /// It names a field.
    pub(super) is_key: bool,
    /// It names a field with `null`, which is as good as none.
    is_void: bool,
    /// Within so many objects and lists.
    pub(super) depth: usize,
}

impl<'a> Words<'a> {
    pub(super) const fn of(json: &'a [u8]) -> Self {
        Self {
            rest: json,
            depth: 0,
        }
    }

    /// Each field whose value is a string, with the depth at which it stands, but for what stands below a field of
    /// these names: that is somebody's own, and no provider takes it for a part of the request.
    ///
    /// A field with another value comes without one.
    pub(super) fn fields(self, skips: fn(&[u8]) -> bool) -> impl Iterator<Item = Field<'a>> {
        let mut words = self.peekable();
        let mut skipped = None;
        std::iter::from_fn(move || {
            loop {
                let word = words.next()?;
                if let Some(depth) = skipped {
                    if word.depth > depth || word.depth == depth && !word.is_key {
                        continue;
                    }
                    skipped = None;
                }
                if !word.is_key || word.is_void {
                    continue; // An element of a list, or nothing.
                }
                let name = word.text();
                if skips(&name) {
                    skipped = Some(word.depth);
                    continue;
                }
                let value = words.next_if(|next| !next.is_key && next.depth == word.depth);
                return Some(Field {
                    name,
                    value: value.map(|value| value.text()),
                    depth: word.depth,
                });
            }
        })
    }
}

/// A field, and its value if that is a string.
pub(super) struct Field<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: Option<Cow<'a, [u8]>>,
    pub(super) depth: usize,
}

impl<'a> Word<'a> {
    /// What it says.
    pub(super) fn text(&self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\\', self.raw).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let quoted = [b"\"", self.raw, b"\""].concat();
        let text: Option<String> = serde_json::from_slice(&quoted).ok();
        text.map_or(Cow::Borrowed(self.raw), |text| {
            Cow::Owned(text.into_bytes())
        })
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let mut rest = self.rest;
        loop {
            let (&first, after) = rest.split_first()?;
            rest = after;
            match first {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b'"' => break,
                _ => {}
            }
        }
        let (left, end) = (rest.len(), end_of_string(rest));
        let (raw, after) = rest.split_at(end);
        self.rest = after.get(1..).unwrap_or_default();
        let value = self.rest.trim_ascii_start().strip_prefix(b":");
        Some(Word {
            raw,
            left,
            is_key: value.is_some(),
            is_void: value.is_some_and(|it| it.trim_ascii_start().starts_with(b"null")),
            depth: self.depth,
        })
    }
}

/// Where a string ends that has begun.
fn end_of_string(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = memchr2(b'"', b'\\', &text[from..]) {
        let at = from + at;
        if text[at] == b'"' {
            return at;
        }
        from = (at + 2).min(text.len());
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn fields_are_known_as_they_mean_and_not_as_they_are_written() {
        let json = br#"{"a":"\"type\":\"no\"","\u0074ype":"\u0078","type" : "type","own":{"type":"hidden","x":[["y"]]},
            "list":["type","z",{"type":7,"t":"u"},{"type" : null}],"own":"v","type":"last"}"#;
        let fields = Words::of(json).fields(|name| name == b"own");
        let typed: Vec<_> = fields
            .filter(|field| &*field.name == b"type")
            .map(|field| {
                field
                    .value
                    .map(|it| String::from_utf8(it.to_vec()).unwrap())
            })
            .collect();
        let expected = [Some("x"), Some("type"), None, Some("last")];
        assert_eq!(typed, expected.map(|it| it.map(str::to_owned)));
    }

    #[test]
    fn what_is_no_json_is_read_without_a_panic() {
        for json in [
            "",
            "\"",
            "\"\\",
            "}}]\"a\"",
            "{\"a\":\"",
            "\"\\ud83c\":\"x\"",
        ] {
            assert!(Words::of(json.as_bytes()).count() < 3);
        }
    }
}
