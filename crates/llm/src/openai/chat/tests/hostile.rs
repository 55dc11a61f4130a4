use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::gather;
use crate::{
    canon::{Losses, Target},
    openai::{chat, completions, embeddings, read_error},
};

/// A request in which everything is said that can be.
fn full() -> Value {
    let function =
        json!({"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true});
    let call =
        json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    json!({
        "model": "m", "max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "n": 2, "seed": 1,
        "presence_penalty": 0.5, "frequency_penalty": 0.5, "stop": ["a"], "logprobs": true, "top_logprobs": 1,
        "reasoning_effort": "low", "user": "u", "safety_identifier": "u", "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "parallel_tool_calls": false, "logit_bias": {}, "store": false,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "f"}}]}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": true}},
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [
                {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://h/i", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": "a", "reasoning_content": "r", "refusal": "n", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]},
        ],
    })
}

const TARGET: Target<'static> = Target {
    model: "m",
    max_output: 9,
    version: "",
    legacy_max_tokens: false,
};

/// Where the objects and values of a body stand, as JSON pointers.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        pointers(value, &format!("{at}/{key}"), all);
    }
}

fn all_pointers() -> Vec<String> {
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    all
}

#[test]
fn a_field_that_is_not_known_is_named_wherever_it_stands() {
    // What is in these is the caller's own, or counted as a whole.
    const OWN: [&str; 2] = ["/parameters", "/schema"];
    let plain = chat::read_ask(full().to_string().as_bytes()).unwrap();
    assert!(plain.losses.is_empty(), "{:?}", plain.losses);
    for pointer in all_pointers() {
        let mut body = full();
        let Some(Value::Object(fields)) = body.pointer_mut(&pointer) else {
            continue;
        };
        fields.insert("zzz".to_owned(), json!(1));
        if OWN.iter().any(|own| pointer.ends_with(own)) {
            continue;
        }
        let ask = chat::read_ask(body.to_string().as_bytes()).unwrap();
        let named = ask.losses.all().count();
        assert_eq!(named, 1, "{pointer}: {:?}", ask.losses);
    }
}

#[test]
fn a_value_of_another_type_is_refused_or_named_wherever_it_stands() {
    let plain = chat::read_ask(full().to_string().as_bytes()).unwrap();
    for pointer in all_pointers().into_iter().skip(1) {
        for wrong in [
            json!(true),
            json!(-1.5),
            json!("\u{0}"),
            json!([[]]),
            json!({"": {}}),
        ] {
            let mut body = full();
            let place = body.pointer_mut(&pointer).unwrap();
            if std::mem::replace(place, wrong.clone()) == wrong {
                continue;
            }
            if let Ok(ask) = chat::read_ask(body.to_string().as_bytes()) {
                // It was refused, named, or is a value like another.
                assert_ne!(ask, plain, "{pointer} = {wrong}");
                chat::write_ask(&ask, &TARGET, &mut Losses::default());
            }
        }
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let bomb = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":{}}}]}}"#,
        deep(100_000)
    );
    for body in [
        "",
        "[]",
        "null",
        "{} {}",
        r#"{"model":"m","n":1e999}"#,
        r#"{"model":"m","n":NaN}"#,
        r#"{"model":"\ud83c"}"#,
        &bomb,
    ] {
        let refused = chat::read_ask(body.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "invalid_json");
        assert!(completions::read_ask(body.as_bytes()).is_err());
        assert!(embeddings::read_embed_ask(body.as_bytes()).is_err());
    }
    // Providers are no better.
    assert!(chat::read_answer(bomb.as_bytes()).is_err());
    assert!(gather::read([bomb.as_bytes()]).is_err());
    read_error(http::StatusCode::BAD_GATEWAY, bomb.as_bytes());
}

#[test]
fn a_field_that_stands_there_twice_counts_once() {
    let body =
        br#"{"model":"a","model":"b","messages":[{"role":"user","role":"user","content":"x"}]}"#;
    let ask = chat::read_ask(body).unwrap();
    assert_eq!((&*ask.model, ask.turns.len()), ("b", 1));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "function",
            "text",
            "stop",
            "auto",
            "user",
            "tool",
            "data:,",
            "image_url"
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        "\\PC{0,4}",
        prop::sample::select(vec![
            "type",
            "content",
            "role",
            "index",
            "id",
            "function",
            "name",
            "arguments",
            "delta",
            "message",
            "text",
            "tool_calls",
            "finish_reason",
            "error",
            "code",
            "usage",
            "url",
            "choices",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_anywhere_in_a_request_is_stood(
        value in any_value(),
        pointer in prop::sample::select(all_pointers()),
    ) {
        let mut body = full();
        *body.pointer_mut(&pointer).unwrap() = value;
        let body = body.to_string();
        if let Ok(ask) = chat::read_ask(body.as_bytes()) {
            let written = chat::write_ask(&ask, &TARGET, &mut Losses::default());
            prop_assert!(serde_json::from_slice::<Value>(&written).is_ok());
        }
        let _ = completions::read_ask(body.as_bytes());
        let _ = embeddings::read_embed_ask(body.as_bytes());
    }

    #[test]
    fn any_value_from_a_provider_is_stood(value in any_value(), more in any_value()) {
        let _ = chat::read_answer(value.to_string().as_bytes());
        let _ = embeddings::read_embed_answer(value.to_string().as_bytes());
        read_error(http::StatusCode::BAD_REQUEST, value.to_string().as_bytes());
        for key in ["choices", "usage", "data", "error"] {
            let body = json!({key: value, "choices": more}).to_string();
            let _ = chat::read_answer(body.as_bytes());
            let _ = gather::read([&body, &body]);
        }
        for key in ["message", "delta", "finish_reason", "logprobs", "index"] {
            let body = json!({"choices": [{"index": 0, "message": more, "delta": more, key: value}]}).to_string();
            let _ = chat::read_answer(body.as_bytes());
            let _ = gather::read([&body, &body]);
        }
    }
}
