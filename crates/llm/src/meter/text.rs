use memchr::{memchr2, memmem::Finder};

/// The texts of these fields, after a first word if there must be one, as they stand in the JSON, each with its key.
pub(super) fn texts<'a>(
    data: &'a [u8],
    after: Option<&Finder<'_>>,
    keys: &'a [Finder<'_>],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let start = after.map_or(Some(0), |word| word.find(data));
    let data = start.map_or(&b""[..], |start| &data[start..]);
    keys.iter().flat_map(move |key| {
        key.find_iter(data).filter_map(move |at| {
            let text = value(&data[at + key.needle().len()..]).strip_prefix(b"\"")?;
            Some((key.needle(), &text[..end_of_string(text)]))
        })
    })
}

/// What follows the first of these words.
pub(super) fn behind<'a>(data: &'a [u8], word: &Finder<'_>) -> Option<&'a [u8]> {
    let at = word.find(data)?;
    Some(&data[at + word.needle().len()..])
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

/// Where a string ends that has begun.
pub(super) fn end_of_string(text: &[u8]) -> usize {
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
