use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::Value;

use super::{Edit, Peek, words::Words};
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
        edits.extend(carried(&self.body).into_iter().map(|at| (at, "".into())));
        if edits.is_empty() {
            return (self.body.clone(), added);
        }
        edits.sort_by_key(|(at, _)| at.start);
        let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
        let mut body = BytesMut::with_capacity(self.body.len() + grown);
        let mut from = 0;
        for (at, text) in edits {
            if at.start < from {
                continue; // It stands in what has been replaced.
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
///
/// Nothing else is cut: a field's name, or a text, is the caller's own, and would say something else without it.
fn carried(body: &[u8]) -> Vec<Range<usize>> {
    if memmem::find(body, MARK.as_bytes()).is_none() {
        return Vec::new();
    }
    let mut words = Words::of(body).peekable();
    let mut found = Vec::new();
    while let Some(name) = words.next() {
        if !name.is_key || !IDS.contains(&&*name.text()) {
            continue;
        }
        let Some(id) = words.next_if(|next| !next.is_key && next.depth == name.depth) else {
            continue;
        };
        let at = memmem::find(id.raw, MARK.as_bytes());
        if let Some(at) = at.filter(|at| Carried::is_note(&id.raw[at + MARK.len()..])) {
            let start = body.len() - id.left;
            found.push(start + at..start + id.raw.len());
        }
    }
    found
}

/// Where the dialects have a tool call's id.
const IDS: [&[u8]; 4] = [b"id", b"call_id", b"tool_call_id", b"tool_use_id"];

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
                r#"{{"model":"m","calls":[{{"id":"{id}"}}],"tool_call_id" : "{id}","text":"a__tollgate__b, __tollgate__"}}"#
            )
        };
        assert_eq!(rewritten(&body(&id), "m").0, body("call_1"));
    }

    #[test]
    fn nothing_but_an_id_is_cut_so_that_no_field_becomes_another() {
        let signature = Signature {
            origin: Dialect::Gemini,
            value: "c2ln".to_owned(),
        };
        let carried = Carried {
            signature: Some(signature),
            thinking: Vec::new(),
        };
        let note = carried.into_id("");
        for note in [&*note, "__tollgate__e30", "__tollgate__eyJ0IjpbXX0"] {
            for own in [
                format!(r#""max_tokens{note}":100000,"n{note}":50,"model{note}":"x""#),
                format!(r#""id{note}":"a","content":"a{note}","ids":["a{note}"]"#),
                format!(r#""id":"a{note} ","call_id":["a{note}"]"#),
            ] {
                let body = format!(r#"{{"model":"m","max_tokens":5,{own}}}"#);
                assert_eq!(rewritten(&body, "m").0, body);
            }
        }
    }
}
