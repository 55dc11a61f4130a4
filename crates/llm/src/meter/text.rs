use memchr::{memchr2, memmem};

/// How long the texts of these fields are, after a first word. Counts too much rather than too little: escapes count as
/// they are written.
pub(super) fn length(data: &[u8], after: &[u8], keys: &[&[u8]]) -> usize {
    let Some(start) = memmem::find(data, after) else {
        return 0;
    };
    let data = &data[start..];
    let text = |key: &&[u8]| {
        let at = memmem::find(data, key)?;
        let value = value(&data[at + key.len()..]);
        value.strip_prefix(b"\"").map(end_of_string)
    };
    keys.iter().filter_map(text).sum()
}

/// A string, and not the empty one that some servers write for `null`.
pub(super) fn is_text(rest: &[u8]) -> bool {
    let value = value(rest);
    value.starts_with(b"\"") && !value.starts_with(b"\"\"")
}

/// What follows a key.
pub(super) fn value(rest: &[u8]) -> &[u8] {
    let rest = rest.trim_ascii_start();
    rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start()
}

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
