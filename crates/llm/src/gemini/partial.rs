use serde::Deserialize;
use serde_json::{Map, Value};

/// The arguments of a call that come in pieces, each with the path of the value that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Partial {
    args: Value,
    size: usize,
}

/// A piece of an argument.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Piece {
    json_path: String,
    string_value: Option<String>,
    number_value: Option<f64>,
    bool_value: Option<bool>,
}

impl Partial {
    /// Adds a piece; false if it is too much, or has no such place.
    pub(super) fn add(&mut self, piece: Piece) -> bool {
        self.size += piece.json_path.len() + piece.string_value.as_ref().map_or(8, String::len);
        if self.size > MOST {
            return false;
        }
        let Some(place) = place(&mut self.args, &piece.json_path) else {
            return false;
        };
        match piece {
            // Texts go on where they stopped.
            Piece {
                string_value: Some(text),
                ..
            } => match place {
                Value::String(before) => before.push_str(&text),
                _ => *place = text.into(),
            },
            Piece {
                number_value: Some(number),
                ..
            } => *place = self::number(number),
            Piece {
                bool_value: Some(flag),
                ..
            } => *place = flag.into(),
            _ => *place = Value::Null,
        }
        true
    }

    /// The arguments as they are.
    pub(super) fn finish(self) -> String {
        match self.args {
            Value::Object(_) => self.args.to_string(),
            _ => "{}".to_owned(),
        }
    }
}

/// Google has only floats here; whole numbers are meant as such.
#[expect(clippy::cast_possible_truncation)]
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

/// The place at a path such as `$.a[0].b` or `$['a']`, made if it is not there.
fn place<'a>(args: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let mut rest = path.strip_prefix('$')?;
    let mut place = args;
    for _ in 0..DEEPEST {
        if rest.is_empty() {
            return Some(place);
        }
        let step;
        (step, rest) = next(rest)?;
        place = match step {
            Step::Key(key) => {
                if place.is_null() {
                    *place = Value::Object(Map::new());
                }
                place.as_object_mut()?.entry(key).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if place.is_null() {
                    *place = Value::Array(Vec::new());
                }
                let values = place.as_array_mut()?;
                if index == values.len() {
                    values.push(Value::Null);
                }
                values.get_mut(index)?
            }
        };
    }
    None
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn next(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        return Some((Step::Key(key), rest));
    }
    let inner = path.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(inner) = inner.strip_prefix(quote) {
            let (key, rest) = inner.split_once(quote)?;
            return Some((Step::Key(key), rest.strip_prefix(']')?));
        }
    }
    let (index, rest) = inner.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), rest))
}

/// More arguments than this are held for nobody.
const MOST: usize = 4 << 20;
/// The depth that JSON readers allow.
const DEEPEST: usize = 120;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Partial, Piece};

    fn assembled(pieces: serde_json::Value) -> Option<String> {
        let pieces: Vec<Piece> = serde_json::from_value(pieces).unwrap();
        let mut partial = Partial::default();
        pieces
            .into_iter()
            .all(|piece| partial.add(piece))
            .then(|| partial.finish())
    }

    #[test]
    fn arguments_are_put_together_from_their_pieces() {
        let pieces = json!([
            {"jsonPath": "$.a.b", "stringValue": "x", "willContinue": true},
            {"jsonPath": "$.a.b", "stringValue": "\"y"},
            {"jsonPath": "$['c.d'][0]", "numberValue": 7.0},
            {"jsonPath": "$['c.d'][1]", "numberValue": 0.5},
            {"jsonPath": "$[\"e\"]", "boolValue": true},
            {"jsonPath": "$.f", "nullValue": "NULL_VALUE"},
        ]);
        let expected = r#"{"a":{"b":"x\"y"},"c.d":[7,0.5],"e":true,"f":null}"#;
        assert_eq!(assembled(pieces).unwrap(), expected);
        assert_eq!(assembled(json!([])).unwrap(), "{}");
    }

    #[test]
    fn a_path_to_nowhere_is_refused() {
        let deep = ".a".repeat(200);
        for path in [
            "",
            "a",
            "$a",
            "$.a[1]",
            "$.a[x]",
            "$.a[",
            "$['a",
            &format!("${deep}"),
        ] {
            let pieces = json!([{"jsonPath": path, "stringValue": "x"}]);
            assert_eq!(assembled(pieces), None, "{path}");
        }
        let pieces = json!([{"jsonPath": "$.a", "boolValue": true}, {"jsonPath": "$.a.b"}]);
        assert_eq!(assembled(pieces), None);
    }
}
