mod fields;
#[cfg(feature = "upstream")]
mod limit;
mod marks;
mod reach;
#[cfg(feature = "upstream")]
mod rewrite;
mod surcharge;
mod words;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{StatusCode, Uri};
use memchr::memmem;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tollgate_core::{
    Rejection,
    fact::{Abilities, Call},
};

pub(crate) use self::marks::Marks;
use self::{fields::Fields, reach::has_sound};
use crate::{
    dialect::{Api, model_in},
    quick,
};

/// What is asked, and where in a body the parts stand that may have to be changed, so that the rest goes on byte for
/// byte.
#[cfg_attr(
    not(feature = "upstream"),
    expect(dead_code, reason = "only who sends a body on reads it")
)]
#[derive(Clone, Debug)]
pub(crate) struct Peek {
    body: Bytes,
    /// Nothing if the model's name stands in the path.
    model: Option<Range<usize>>,
    /// What sets `stream_options.include_usage`, if there is a stream and it is not set.
    usage: Option<Edit>,
}

/// A place in the body, and what belongs there.
type Edit = (Range<usize>, Cow<'static, str>);

impl Peek {
    /// Reads the few fields that matter, in one pass and without a copy.
    pub(crate) fn at(api: Api, uri: &Uri, body: &Bytes) -> Result<(Call, Self), Rejection> {
        let fields: Fields<'_> = quick::read(body).map_err(|error| malformed(&error))?;
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(no_object()); // Serde would also take an array, for the fields in their order.
        }
        let (model, at) = if api.names_model_in_path() {
            (model_of_path(uri.path())?, None)
        } else {
            let raw = fields.model.ok_or_else(no_model)?;
            (string(raw).ok_or_else(no_model)?, Some(span(body, raw)))
        };
        if model.is_empty() {
            return Err(no_model());
        }
        if model.len() > LONGEST_NAME {
            return Err(unknown_model());
        }
        let mut call = Call::new(api.operation(), &*model);
        call.stream = match api {
            Api::StreamGenerate { .. } => true,
            Api::Chat | Api::Completions | Api::Responses | Api::Messages => fields.streams(),
            _ => false,
        };
        call.max_output_tokens = fields.max_output(api);
        call.max_input_tokens = fields.max_input(api, body);
        call.surcharge = fields.surcharge(api);
        if call.surcharge.is_none() && call.max_input_tokens.is_none() && has_sound(api, body) {
            call.surcharge = Some("audio");
        }
        call.choices = fields.choices(api);
        call.end_user = fields.end_user(api);
        call.abilities = Abilities {
            tools: fields.has_tools(),
            images: has_images(api, body),
            json_schema: fields.has_schema(),
        };
        call.stateful = api == Api::Responses && fields.is_stateful();
        let asks_usage = matches!(api, Api::Chat | Api::Completions) && call.stream;
        let peek = Self {
            model: at,
            usage: asks_usage
                .then(|| usage_edit(fields.stream_options, body))
                .flatten(),
            body: body.clone(),
        };
        Ok((call, peek))
    }

    /// Whether this is what was seen of these bytes. It is not, once a layer in between has replaced them.
    pub(crate) fn is_of(&self, body: &Bytes) -> bool {
        self.body.as_ptr() == body.as_ptr() && self.body.len() == body.len()
    }
}

/// Names are kept, counted and logged, and no provider has one as long.
const LONGEST_NAME: usize = 512;

fn model_of_path(path: &str) -> Result<Cow<'_, str>, Rejection> {
    let name = model_in(path).map(|at| percent_decode_str(&path[at]));
    name.and_then(|name| name.decode_utf8().ok())
        .ok_or_else(no_model)
}

/// Whether images are sent, by the words that stand around them. Within a text their quotes would be escaped.
fn has_images(api: Api, body: &[u8]) -> bool {
    let has = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    match api {
        Api::Chat => has(r#""image_url""#),
        Api::Responses => has(r#""input_image""#),
        Api::Messages => has(r#""image""#) && has(r#""source""#),
        Api::Generate | Api::StreamGenerate { .. } => has(r#""image/"#),
        _ => false,
    }
}

/// What sets the option, in place and without a touch to the others.
fn usage_edit(options: Option<&RawValue>, body: &Bytes) -> Option<Edit> {
    let Some(options) = options else {
        // The body is an object and not empty, so its last brace follows a field.
        let end = body.iter().rposition(|&byte| byte == b'}')?;
        return Some((
            end..end,
            r#","stream_options":{"include_usage":true}"#.into(),
        ));
    };
    let at = span(body, options);
    let inside = options
        .get()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    match inside.map(str::trim) {
        Some("") => return Some((at, r#"{"include_usage":true}"#.into())),
        None if options.get() == "null" => return Some((at, r#"{"include_usage":true}"#.into())),
        None => return None, // The provider will say what is wrong with it.
        Some(_) => {}
    }
    let known: Options<'_> = serde_json::from_str(options.get()).ok()?;
    match known.include_usage {
        None => Some((at.end - 1..at.end - 1, r#","include_usage":true"#.into())),
        Some(set) if matches!(set.get(), "false" | "null") => {
            Some((span(body, set), "true".into()))
        }
        Some(_) => None,
    }
}

#[derive(Deserialize)]
struct Options<'a> {
    #[serde(borrow, default, deserialize_with = "also_null")]
    include_usage: Option<&'a RawValue>,
}

/// A field that stands there, be it with `null`.
fn also_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let plain = text.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        return serde_json::from_str(text).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(plain))
}

/// Where a borrowed part of the body stands in it.
fn span(body: &Bytes, raw: &RawValue) -> Range<usize> {
    let start = raw.get().as_ptr().addr() - body.as_ptr().addr();
    start..start + raw.get().len()
}

fn malformed(error: &serde_json::Error) -> Rejection {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => no_object(),
        _ => invalid(format!(
            "the body is not valid JSON (line {line}, column {column})"
        )),
    }
}

fn no_object() -> Rejection {
    invalid("the body is not a JSON object with each field once".to_owned())
}

fn invalid(message: String) -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, "invalid_json", message)
}

fn unknown_model() -> Rejection {
    let message = "there is no model with so long a name";
    Rejection::new(StatusCode::NOT_FOUND, "model_not_found", message).with_detail("param", "model")
}

fn no_model() -> Rejection {
    Rejection::new(
        StatusCode::BAD_REQUEST,
        "missing_required_parameter",
        "`model` must name a model, as a string",
    )
    .with_detail("param", "model")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Uri;

    use super::Peek;
    use crate::dialect::Api;

    fn uri() -> Uri {
        Uri::from_static("/v1/chat/completions")
    }

    #[test]
    fn what_is_asked_is_read_from_the_body() {
        let body = Bytes::from_static(
            br#"{"model":"gpt-\u0034o","n":1000000000,"max_tokens":-1,"max_completion_tokens":7,
                "stream":true,"tools":[{}],"messages":[{"content":"\ud83c"}],"temperature":1e999}"#,
        );

        let (call, _) = Peek::at(Api::Chat, &uri(), &body).unwrap();

        assert_eq!(&*call.model, "gpt-4o");
        assert_eq!(
            (call.choices, call.max_output_tokens),
            (1_000_000_000, Some(7))
        );
        assert!(call.stream && call.abilities.tools && !call.abilities.json_schema);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        for (body, code) in [
            ("", "invalid_json"),
            ("{", "invalid_json"),
            ("[]", "invalid_json"),
            (
                r#"["m",true,null,null,null,null,null,null]"#,
                "invalid_json",
            ),
            (r#"{"model":"m"} x"#, "invalid_json"),
            (r#"{"model":"m","model":"n"}"#, "invalid_json"),
            (
                r#"{"model":"m","stream":true,"stream":false}"#,
                "invalid_json",
            ),
            (r#"{"model":"m","temperature":NaN}"#, "invalid_json"),
            ("{}", "missing_required_parameter"),
            (r#"{"model":null}"#, "missing_required_parameter"),
            (r#"{"model":7}"#, "missing_required_parameter"),
            (r#"{"model":""}"#, "missing_required_parameter"),
            (r#"{"Model":"m"}"#, "missing_required_parameter"),
            (r#"{"model":"\ud83c"}"#, "missing_required_parameter"),
        ] {
            let refused = Peek::at(Api::Chat, &uri(), &Bytes::from(body)).unwrap_err();
            assert_eq!(refused.code(), code, "{body}");
        }
    }
}
