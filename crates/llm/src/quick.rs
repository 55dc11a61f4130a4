mod rest;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer},
    },
    forward_to_deserialize_any,
};

use self::rest::Rest;

/// Reads an object as `serde_json` does, in a fraction of the time where it passes over long strings.
pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    // What is wrong, or only unusual, is left to its judgement.
    quickly(json).map_or_else(|| serde_json::from_slice(json), Ok)
}

/// Reads what `serde_json` reads in the same way, or nothing.
fn quickly<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let mut rest = Rest::of(json);
    rest.byte(b'{')?;
    let mut fields = Fields {
        rest,
        is_first: true,
    };
    let read = T::deserialize(MapAccessDeserializer::new(&mut fields)).ok()?;
    fields.rest.is_over().then_some(read)
}

/// The fields of an object that has begun.
struct Fields<'a> {
    rest: Rest<'a>,
    is_first: bool,
}

impl<'a> Fields<'a> {
    /// The next one's name, if there is one.
    fn name(&mut self) -> Option<Option<&'a str>> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        if self.rest.byte(b'}').is_some() {
            return Some(None);
        }
        if !is_first {
            self.rest.byte(b',')?;
        }
        let name = self.rest.string()?;
        self.rest.byte(b':')?;
        let is_plain = !name.contains(&b'\\');
        let name = is_plain.then(|| str::from_utf8(name).ok())?;
        name.map(Some)
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> serde_json::Result<Option<K::Value>> {
        let name = self.name().ok_or_else(unusual)?;
        let name = name.map(|name| seed.deserialize(BorrowedStrDeserializer::new(name)));
        name.transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> serde_json::Result<V::Value> {
        let value = self.rest.value().ok_or_else(unusual)?;
        seed.deserialize(Value(value))
    }
}

/// A value that was passed over, and is read only if somebody wants it.
struct Value<'a>(&'a [u8]);

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = serde_json::Error;

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        serde_json::Deserializer::from_slice(self.0).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        serde_json::Deserializer::from_slice(self.0).deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        serde_json::Deserializer::from_slice(self.0).deserialize_newtype_struct(name, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

fn unusual() -> serde_json::Error {
    serde_json::Error::custom("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::quickly;

    #[derive(Debug, Deserialize)]
    struct Some<'a> {
        #[serde(borrow)]
        a: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "also_null")]
        b: Option<&'a RawValue>,
    }

    fn also_null<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<&'de RawValue>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Some)
    }

    /// What was read, if anything was, and from where.
    fn shown(read: Option<Some<'_>>) -> Option<String> {
        let at = |raw: &RawValue| (raw.get().as_ptr(), raw.get().len());
        read.map(|read| format!("{read:?} {:?}", [read.a, read.b].map(|it| it.map(at))))
    }

    fn assert_same(json: &[u8]) -> Result<(), TestCaseError> {
        if let Some(quick) = shown(quickly(json)) {
            let slow = shown(serde_json::from_slice(json).ok());
            prop_assert_eq!(Some(quick), slow);
        }
        Ok(())
    }

    const PIECES: [&str; 36] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "00e4",
        "\\n",
        "1",
        "-",
        "0",
        ".",
        "e",
        "+",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "ä",
        "\"a\"",
        "\"b\":",
        "\"a\":1",
        "\"c\":\"d\"",
        "[1,2]",
        "{\"a\":\"\\\"\"}",
        "NaN",
        "\u{feff}",
        "\r",
        "/",
    ];

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?",
            r#""([a-c ä]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,40}""#,
            "(true|false|null)",
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = prop_oneof!["a", "b", "c", "\\\\u0061", "d d"];
            let field = (name, "[ \n\r\t]{0,2}", inner.clone());
            let field = field.prop_map(|(name, space, value)| {
                format!("{space}\"{name}\"{space}:{space}{value}{space}")
            });
            let list = prop::collection::vec(inner, 0..4);
            prop_oneof![
                prop::collection::vec(field, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
                list.prop_map(|all| format!("[ {} ]", all.join(" , "))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_is_read_quickly_is_read_in_the_same_way_by_serde_json(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12)) {
            assert_same(pieces.concat().as_bytes())?;
            assert_same(format!("{{{}}}", pieces.concat()).as_bytes())?;
        }

        #[test]
        fn so_is_what_was_valid_before_a_byte_of_it_changed(json in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            assert_same(json.as_bytes())?;
            let mut json = json.into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            assert_same(&json)?;
            json.truncate(at);
            assert_same(&json)?;
        }

        #[test]
        fn a_plain_object_is_read_quickly(value in value()) {
            let json = format!(" {{ \"b\" : null , \"x\":{value}, \"a\":[{value}]}}\n");
            prop_assert!(quickly::<Some<'_>>(json.as_bytes()).is_some(), "{}", json);
        }
    }

    #[test]
    fn what_nests_deep_is_left_to_serde_json() {
        let json = format!("{{\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        assert!(quickly::<Some<'_>>(json.as_bytes()).is_none());
        assert!(super::read::<Some<'_>>(json.as_bytes()).is_ok());
    }
}
