use proptest::prelude::*;
use serde_json::{Value, json};

use crate::openai::responses::{Ends, ends, read_ask, stream_usage, usage};

/// Any JSON, with the words of the dialect in it.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(1e308)),
        ".{0,6}".prop_map(Value::from),
        proptest::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            proptest::sample::select(WORDS).prop_map(str::to_owned),
            ".{0,3}"
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A request in which everything is there.
fn whole() -> Value {
    json!({
        "model": "m", "instructions": "a", "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}, "reasoning": {"effort": "low"},
        "include": ["message.output_text.logprobs"], "stream_options": {"include_obfuscation": false},
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "https://a", "detail": "low"},
                {"type": "input_file", "file_data": "aGk=", "filename": "a"},
            ]},
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "x"},
        ],
    })
}

/// All places in a value.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| places(value, &below(key), all)),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &below(&index.to_string()), all);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn anything_anywhere_is_read_or_refused(value in value(), place in any::<proptest::sample::Index>()) {
        let mut body = whole();
        let mut all = Vec::new();
        places(&body, "", &mut all);
        *body.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        if let Err(refused) = read_ask(body.to_string().as_bytes()) {
            prop_assert_eq!(refused.status().as_u16(), 400);
            prop_assert!(!refused.message().is_empty());
        }
    }

    #[test]
    fn an_unknown_field_is_named_wherever_it_stands(place in any::<proptest::sample::Index>()) {
        let mut body = whole();
        let mut all = Vec::new();
        places(&body, "", &mut all);
        // A schema is the caller's own matter.
        all.retain(|at| body.pointer(at).unwrap().is_object() && !["parameters", "schema"].iter().any(|it| at.ends_with(it)));
        all.retain(|at| !at.contains("/summary/"));
        let at = &all[place.index(all.len())];
        body.pointer_mut(at).unwrap()["unheard_of"] = json!({"of": 1});
        let ask = read_ask(body.to_string().as_bytes()).unwrap();
        prop_assert!(ask.losses.all().any(|name| name.ends_with("unheard_of")), "{at}: {:?}", ask.losses);
    }

    #[test]
    fn the_meter_takes_any_bytes(data in any::<Vec<u8>>(), value in value()) {
        let text = json!({"type": "response.completed", "response": {"usage": value}}).to_string();
        let plain = json!({"usage": value}).to_string();
        for data in [&data[..], text.as_bytes(), plain.as_bytes()] {
            let _ = (ends(data), stream_usage(data, None), usage(data));
        }
        prop_assert_eq!(ends(text.as_bytes()), Ends::Completed);
    }
}

#[test]
fn depth_and_garbage_are_refused() {
    let deep = format!(r#"{{"model":"m","input":{}"#, "[".repeat(100_000));
    for body in [
        deep.as_str(),
        "",
        "[]",
        "null",
        r#"{"model":"m","input":"a"} x"#,
        r#"{"input":"\ud83c"}"#,
        r#"{"temperature":NaN}"#,
    ] {
        let refused = read_ask(body.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "invalid_json");
    }
}

const WORDS: &[&str] = &[
    "type",
    "role",
    "content",
    "text",
    "user",
    "assistant",
    "input_text",
    "output_text",
    "refusal",
    "input_image",
    "image_url",
    "file_data",
    "function",
    "function_call",
    "function_call_output",
    "reasoning",
    "message",
    "call_id",
    "name",
    "arguments",
    "output",
    "summary",
    "encrypted_content",
    "auto",
    "required",
    "mode",
    "tools",
    "effort",
    "format",
    "json_schema",
    "schema",
    "data:image/png;base64,",
    "data:;base64",
    "a__tollgate__b",
    "tollgate.gemini.W10",
    "input_tokens",
    "output_tokens",
    "input_tokens_details",
    "cached_tokens",
];
