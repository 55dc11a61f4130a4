use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::Value;

use super::{Edit, Peek};
use crate::canon::{Carried, MARK};

impl Peek {
    /// The body with the model's name at the target, and with `include_usage` set if that is wanted and not the case.
    /// Says whether it was set, so that the extra chunk can be kept from a client that did not ask for it.
    pub(crate) fn rewrite(
        &self,
        model: &str,
        want_usage: bool,
        limits: Vec<Edit>,
    ) -> (Bytes, bool) {
        let mut edits = Vec::new();
        if let Some(at) = self.model.clone().filter(|_| !model.is_empty()) {
            let named = self.body.get(at.clone()).unwrap_or_default();
            let named = named
                .strip_prefix(b"\"")
                .and_then(|it| it.strip_suffix(b"\""));
            // Most often it is the same name, and in a valid body one without escapes stands as it is.
            let is_plain = !model.contains(['\\', '"']);
            if !is_plain || named != Some(model.as_bytes()) {
                edits.push((at, Value::from(model).to_string().into()));
            }
        }
        let wanted = self.usage.clone().filter(|_| want_usage);
        let added = wanted.is_some();
        edits.extend(wanted);
        edits.extend(limits);
        edits.extend(carried(&self.body).map(|at| (at, "".into())));
        if edits.is_empty() {
            return (self.body.clone(), added);
        }
        edits.sort_by_key(|(at, _)| at.start);
        let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
        let mut body = BytesMut::with_capacity(self.body.len() + grown);
        let mut from = 0;
        for (at, text) in edits {
            if at.start < from {
                continue; // A model's name that looks like what an id carries.
            }
            body.extend_from_slice(&self.body[from..at.start]);
            body.extend_from_slice(text.as_bytes());
            from = at.end;
        }
        body.extend_from_slice(&self.body[from..]);
        (body.freeze(), added)
    }
}

/// What tool calls' ids carry from a turn that another provider served; for this one they are too long.
fn carried(body: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(body, MARK.as_bytes()).filter_map(|start| {
        let note = &body[start + MARK.len()..];
        let is_of_it = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        let length = note.iter().take_while(is_of_it).count();
        // Otherwise it is somebody's own text.
        Carried::is_note(&note[..length]).then_some(start..start + MARK.len() + length)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Uri;

    use crate::{
        canon::{Carried, Signature},
        dialect::{Api, Dialect},
        peek::Peek,
    };

    fn rewritten(body: &str, model: &str) -> (String, bool) {
        let body = Bytes::from(body.to_owned());
        let (_, peek) = Peek::at(Api::Chat, &Uri::from_static("/"), &body).unwrap();
        let (body, added) = peek.rewrite(model, true, Vec::new());
        (String::from_utf8(body.to_vec()).unwrap(), added)
    }

    #[test]
    fn only_the_model_and_the_usage_option_are_changed() {
        for (sent, model, expected, added) in [
            (
                r#"{"model":"m","x":1}"#,
                "m",
                r#"{"model":"m","x":1}"#,
                false,
            ),
            (
                r#"{"model":"m","x":1}"#,
                "",
                r#"{"model":"m","x":1}"#,
                false,
            ),
            (
                r#"{ "x" : 1 , "model" : "m" }"#,
                "a\"b",
                r#"{ "x" : 1 , "model" : "a\"b" }"#,
                false,
            ),
            (
                r#"{"model":"m","stream":false}"#,
                "n",
                r#"{"model":"n","stream":false}"#,
                false,
            ),
            (
                "{\"stream\":true,\"model\":\"m\" }\n",
                "m",
                "{\"stream\":true,\"model\":\"m\" ,\"stream_options\":{\"include_usage\":true}}\n",
                true,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
                "n",
                r#"{"stream":true,"stream_options":{"include_usage":true},"model":"n"}"#,
                false,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_obfuscation":false},"model":"m"}"#,
                "n",
                r#"{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"n"}"#,
                true,
            ),
            (
                r#"{"stream":true,"stream_options":{ "include_usage" : false, "big":1e999},"model":"m"}"#,
                "m",
                r#"{"stream":true,"stream_options":{ "include_usage" : true, "big":1e999},"model":"m"}"#,
                true,
            ),
            (
                r#"{"stream":true,"stream_options":{ },"model":"m"}"#,
                "m",
                r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
                true,
            ),
            (
                r#"{"stream":true,"model":"m","stream_options":null}"#,
                "m",
                r#"{"stream":true,"model":"m","stream_options":{"include_usage":true}}"#,
                true,
            ),
            (
                r#"{"stream":true,"model":"m","stream_options":"nonsense"}"#,
                "m",
                r#"{"stream":true,"model":"m","stream_options":"nonsense"}"#,
                false,
            ),
        ] {
            assert_eq!(
                rewritten(sent, model),
                (expected.to_owned(), added),
                "{sent}"
            );
        }
    }

    #[test]
    fn what_an_id_carries_is_taken_off_and_a_text_of_the_same_look_stays() {
        let signature = Signature {
            origin: Dialect::Gemini,
            value: "c2ln".to_owned(),
        };
        let carried = Carried {
            signature: Some(signature),
            thinking: Vec::new(),
        };
        let id = carried.into_id("call_1");
        assert_ne!(id, "call_1");
        let body = |id: &str| {
            format!(
                r#"{{"model":"m","x":"{id}","y":"{id}","text":"a__tollgate__b, __tollgate__"}}"#
            )
        };
        assert_eq!(rewritten(&body(&id), "m").0, body("call_1"));
    }
}
