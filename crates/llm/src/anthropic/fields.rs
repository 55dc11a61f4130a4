use serde::Serialize;

/// Writes a JSON object field by field, without a tree of it.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Begins an object that has a type, as most of Anthropic's do.
    pub(super) fn of_type(out: &'a mut Vec<u8>, kind: &str) -> Self {
        let mut fields = Self::begin(out);
        fields.put("type", kind);
        fields
    }

    pub(super) fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        json(self.key(name), value);
    }

    pub(super) fn maybe<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(name, &value);
        }
    }

    /// A value that is written by the caller.
    pub(super) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a list; `each` says whether it has written its item.
pub(super) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut Vec<u8>, T) -> bool,
) {
    out.push(b'[');
    let mut first = true;
    for item in items {
        let before = out.len();
        if !first {
            out.push(b',');
        }
        if each(out, item) {
            first = false;
        } else {
            out.truncate(before);
        }
    }
    out.push(b']');
}

pub(super) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value)
        .expect("texts, numbers and JSON values are written to memory");
}

#[cfg(test)]
mod tests {
    use super::{Fields, json, list};

    #[test]
    fn items_that_say_nothing_leave_no_comma() {
        let mut out = Vec::new();
        let mut fields = Fields::begin(&mut out);
        fields.maybe("no", None::<u8>);
        list(fields.key("odd"), 0..6, |out, n| {
            json(out, &n);
            n % 2 == 1
        });
        fields.put("text", "\"");
        fields.end();
        assert_eq!(out, br#"{"odd":[1,3,5],"text":"\""}"#);
    }
}
