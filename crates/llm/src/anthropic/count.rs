use serde_json::{Value, json};

use super::{ask_write::conversation, fields::Fields, thinking::Thinking};
use crate::canon::{Ask, Losses, Target};

/// Writes a request for how long a message is.
pub(crate) fn write_count_ask(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 12);
    let mut body = Fields::begin(&mut out);
    body.put("model", target.model);
    let thinking = Thinking::of(ask, target, losses);
    conversation(&mut body, ask, target, thinking, losses);
    body.end();
    out
}

/// Reads how long it is.
pub(crate) fn read_count(body: &[u8]) -> Option<u64> {
    let count: Value = serde_json::from_slice(body).ok()?;
    count.get("input_tokens")?.as_u64()
}

/// Tells a caller how long it is.
pub(crate) fn write_count(count: u64) -> Vec<u8> {
    json!({ "input_tokens": count }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{read_count, write_count, write_count_ask};
    use crate::{
        anthropic::read_ask,
        canon::{Losses, Target},
    };

    #[test]
    fn only_what_counts_is_asked() {
        let body = json!({
            "model": "mine", "max_tokens": 9, "temperature": 0, "stop_sequences": ["x"], "stream": true,
            "system": "be brief", "messages": [{ "role": "user", "content": "hi" }],
            "tools": [{ "name": "f", "input_schema": { "type": "object", "properties": {} } }],
        });
        let ask = read_ask(body.to_string().as_bytes()).unwrap();
        let target = Target {
            model: "claude-opus-4-6",
            max_output: 8,
            version: "2023-06-01",
            legacy_max_tokens: false,
        };
        let mut losses = Losses::default();

        let written = write_count_ask(&ask, &target, &mut losses);

        let mut expected = body;
        for name in ["max_tokens", "temperature", "stop_sequences", "stream"] {
            expected.as_object_mut().unwrap().remove(name);
        }
        expected["model"] = json!("claude-opus-4-6");
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
        assert!(losses.is_empty());
    }

    #[test]
    fn a_count_is_read_and_told() {
        assert_eq!(read_count(&write_count(42)), Some(42));
        for nonsense in ["", "[]", "{}", r#"{"input_tokens":-1}"#] {
            assert_eq!(read_count(nonsense.as_bytes()), None);
        }
    }
}
