use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// A request for a message as Bedrock takes it: the path says the model and whether to stream, and the body what are
/// headers elsewhere. All other values stay as they are, byte for byte. Nothing if it is no object.
pub(crate) fn wrap(asked: &[u8], version: &str, betas: &[&str]) -> Option<Bytes> {
    let Members(members) = serde_json::from_slice(asked).ok()?;
    let mut out = Vec::with_capacity(asked.len() + 64);
    let (mut versioned, mut tells_betas) = (false, betas.is_empty());
    for (name, value) in &members {
        match &**name {
            "model" | "stream" => {}
            "anthropic_beta" => {
                match joined(value, betas) {
                    Some(all) => put(&mut out, name, &all),
                    None => put(&mut out, name, value),
                }
                tells_betas = true;
            }
            _ => {
                versioned |= name == VERSION;
                put(&mut out, name, value);
            }
        }
    }
    if !versioned {
        put(&mut out, VERSION, &version);
    }
    if !tells_betas {
        put(&mut out, "anthropic_beta", &betas);
    }
    out.push(b'}');
    Some(out.into())
}

/// What a client's `anthropic-beta` names.
pub(crate) fn betas(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all("anthropic-beta").iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Those of the body, and then those of the header that it does not name.
fn joined(value: &RawValue, betas: &[&str]) -> Option<Vec<Value>> {
    let mut all: Vec<Value> = serde_json::from_str(value.get()).ok()?;
    let new = betas
        .iter()
        .filter(|name| !all.iter().any(|it| it == *name));
    let new: Vec<Value> = new.map(|name| Value::from(*name)).collect();
    all.extend(new);
    Some(all)
}

fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    const IN_MEMORY: &str = "writing to memory cannot fail";
    out.push(if out.is_empty() { b'{' } else { b',' });
    serde_json::to_writer(&mut *out, name).expect(IN_MEMORY);
    out.push(b':');
    serde_json::to_writer(out, value).expect(IN_MEMORY);
}

/// The members of an object in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

const VERSION: &str = "anthropic_version";

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{betas, wrap};

    #[test]
    fn the_model_and_the_stream_go_and_all_else_stays_as_it_is() {
        for (asked, named, expected) in [
            (
                r#"{"model":"m","max_tokens":1e1, "stream":true,"messages":[ {"model":"\u00e9"} ]}"#,
                &[][..],
                r#"{"max_tokens":1e1,"messages":[ {"model":"\u00e9"} ],"anthropic_version":"v"}"#,
            ),
            (
                r#" { "stream" : false , "model" : "m" } "#,
                &["a"],
                r#"{"anthropic_version":"v","anthropic_beta":["a"]}"#,
            ),
            (
                r#"{"m\u006fdel":"m","anthropic_version":"own","anthropic_beta":["b"]}"#,
                &["a", "b"],
                r#"{"anthropic_version":"own","anthropic_beta":["b","a"]}"#,
            ),
            (
                r#"{"model":"m","anthropic_beta":7}"#,
                &["a"],
                r#"{"anthropic_beta":7,"anthropic_version":"v"}"#,
            ),
        ] {
            let wrapped = wrap(asked.as_bytes(), "v", named).unwrap();
            assert_eq!(wrapped, expected, "{asked}");
        }
    }

    #[test]
    fn what_is_no_object_is_not_wrapped() {
        for asked in ["", "[]", "1", "{", r#"{"a":}"#] {
            assert_eq!(wrap(asked.as_bytes(), "v", &[]), None, "{asked}");
        }
    }

    #[test]
    fn betas_stand_in_one_header_or_several() {
        let mut headers = HeaderMap::new();
        for value in ["a, b", "", "c,"] {
            headers.append("anthropic-beta", value.parse().unwrap());
        }
        assert_eq!(betas(&headers), ["a", "b", "c"]);
    }
}
