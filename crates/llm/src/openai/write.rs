use serde::Serialize;

/// Writes a JSON object, field by field, and closes it when dropped.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, begun: false }
    }

    pub(crate) fn field(&mut self, name: &'static str, value: impl Serialize) {
        write(self.key(name), value);
    }

    pub(crate) fn maybe(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Object<'_> {
        Object::new(self.key(name))
    }

    pub(crate) fn list(&mut self, name: &'static str) -> List<'_> {
        List::new(self.key(name))
    }

    /// Names are our own, so nothing in them needs an escape.
    fn key(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.out
            .extend_from_slice(if self.begun { b",\"" } else { b"\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.begun = true;
        self.out
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push(b'}');
    }
}

/// Writes a JSON list, item by item, and closes it when dropped.
#[derive(Debug)]
pub(crate) struct List<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
}

impl<'a> List<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, begun: false }
    }

    pub(crate) fn item(&mut self, value: impl Serialize) {
        write(self.next(), value);
    }

    pub(crate) fn object(&mut self) -> Object<'_> {
        Object::new(self.next())
    }

    fn next(&mut self) -> &mut Vec<u8> {
        if self.begun {
            self.out.push(b',');
        }
        self.begun = true;
        self.out
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        self.out.push(b']');
    }
}

/// A value as JSON.
pub(crate) fn write(out: &mut Vec<u8>, value: impl Serialize) {
    let written = serde_json::to_writer(out, &value);
    debug_assert!(written.is_ok(), "values with text keys can be written");
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn objects_and_lists_nest_and_close() {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        object.field("a", "\"\u{e9}\n");
        object.maybe("b", None::<u8>);
        object.maybe("c", Some(1.5));
        {
            let mut list = object.list("d");
            list.object().field("e", true);
            list.item(());
            drop(list.object());
        }
        drop(object.list("f"));
        drop(object);

        let expected = "{\"a\":\"\\\"\u{e9}\\n\",\"c\":1.5,\"d\":[{\"e\":true},null,{}],\"f\":[]}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
