//! Nothing that comes over the network panics, and nothing a caller says disappears in silence.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{
    StreamReader, fault::read_error, read_answer, read_ask, read_count, stream_usage, usage,
    write_ask,
};
use crate::canon::{Ask, Losses, ReadStream, Target};

fn request() -> Value {
    let mark = json!({ "type": "ephemeral" });
    json!({
        "model": "m", "max_tokens": 9, "temperature": 0.5, "top_p": 0.5, "top_k": 3, "stream": true,
        "stop_sequences": ["x"], "metadata": { "user_id": "u" },
        "system": [{ "type": "text", "text": "s", "cache_control": mark }],
        "thinking": { "type": "enabled", "budget_tokens": 2000, "display": "omitted" },
        "output_config": { "format": { "type": "json_schema", "schema": { "type": "object", "properties": {} } } },
        "tools": [{ "name": "f", "description": "d", "input_schema": { "type": "object" }, "strict": true }],
        "tool_choice": { "type": "tool", "name": "f", "disable_parallel_tool_use": true },
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "a" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "d" },
                  "title": "t" },
            ] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "t", "signature": "s" },
                { "type": "redacted_thinking", "data": "r" },
                { "type": "tool_use", "id": "c", "name": "f", "input": { "a": 1 } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c", "is_error": true, "content": [{ "type": "text", "text": "x" }] },
            ] },
            { "role": "assistant", "content": "end" },
        ],
    })
}

fn read(request: &Value) -> Option<Ask> {
    let ask = read_ask(request.to_string().as_bytes()).ok()?;
    for (model, version) in [
        ("claude-sonnet-4-5", "2023-06-01"),
        ("m", "2026-10-21"),
        ("m", "bedrock-2023-05-31"),
    ] {
        let target = Target {
            model,
            max_output: 100,
            version,
            legacy_max_tokens: false,
        };
        let written = write_ask(&ask, &target, &mut Losses::default());
        assert!(serde_json::from_slice::<Value>(&written).is_ok());
    }
    Some(ask)
}

/// Pointers to all values inside one.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), all)),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
}

#[test]
fn each_wrong_value_is_refused_or_recorded() {
    let request = request();
    let right = read(&request).unwrap();
    let mut all = Vec::new();
    pointers(&request, "", &mut all);
    for at in all {
        for value in [
            json!(true),
            json!(-7),
            json!(1e300),
            json!("zzz"),
            json!([[]]),
            json!({ "zzz": {} }),
        ] {
            let mut wrong = request.clone();
            *wrong.pointer_mut(&at).unwrap() = value.clone();
            if wrong != request {
                let read = read(&wrong);
                assert_ne!(read.as_ref(), Some(&right), "{at} as {value} disappears");
            }
        }
    }
}

#[test]
fn each_unknown_field_is_recorded() {
    let request = request();
    let mut all = Vec::new();
    pointers(&request, "", &mut all);
    for at in all {
        let mut wrong = request.clone();
        let Some(fields) = wrong.pointer_mut(&at).unwrap().as_object_mut() else {
            continue;
        };
        fields.insert("zzz".to_owned(), json!(1));
        // What a tool takes and gives is the caller's own.
        let own = at.contains("/input") || at.contains("/schema");
        let names = read(&wrong).map(|ask| ask.losses.all().map(str::to_owned).collect::<Vec<_>>());
        assert!(
            own || names.is_none_or(|names| names.iter().any(|it| it.contains("zzz"))),
            "{at}"
        );
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200), close.repeat(200));
    for body in [
        "".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":"a"}]} x"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":"\ud83c"}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":"a"}],"temperature":NaN}"#.to_owned(),
        r#"{"model":"","messages":[{"role":"user","content":"a"}]}"#.to_owned(),
        r#"{"model":"m","messages":[]}"#.to_owned(),
        r#"{"model":"m"}"#.to_owned(),
        format!(r#"{{"model":"m","messages":{}}}"#, deep("[", "]")),
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}]}"#
            .to_owned(),
    ] {
        assert!(read_ask(body.as_bytes()).is_err(), "{body:.80}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("type"),
        Just("message_start"),
        Just("content_block_start"),
        Just("content_block_delta"),
        Just("message_delta"),
        Just("tool_use"),
        Just("text"),
        Just("thinking"),
        Just("usage"),
        Just("error"),
        Just("content"),
        Just("message"),
        Just("delta"),
        Just("index"),
        Just("messages"),
        Just("role"),
        Just("user"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((word.clone(), inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_without_a_panic(first in values(), second in values(), at in any::<prop::sample::Index>()) {
        let mut request = request();
        let mut all = Vec::new();
        pointers(&request, "", &mut all);
        *request.pointer_mut(at.get(&all[..]).as_str()).unwrap() = first.clone();
        read(&request);

        let mut reader = StreamReader::default();
        let mut out = Vec::new();
        for event in [&first, &json!({ "type": "message_start", "message": first }), &second] {
            let bytes = event.to_string().into_bytes();
            let _ = reader.read(&bytes, &mut out);
            let _ = read_answer(&bytes);
            read_error(http::StatusCode::BAD_GATEWAY, &bytes);
            read_count(&bytes);
            stream_usage(&bytes, usage(&bytes));
        }
    }
}
