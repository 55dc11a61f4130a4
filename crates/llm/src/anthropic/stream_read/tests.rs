use serde_json::{Value, json};

use super::StreamReader;
use crate::canon::{Delta, Fault, Finish, Kind, ReadStream};

fn read(events: &[Value]) -> Result<Vec<Delta>, Fault> {
    let (mut reader, mut out) = (StreamReader::default(), Vec::new());
    for event in events {
        reader.read(event.to_string().as_bytes(), &mut out)?;
    }
    reader.finish(&mut out);
    Ok(out)
}

fn start() -> Value {
    json!({ "type": "message_start", "message": { "id": "m", "model": "x", "content": [] } })
}

fn block(index: u64, block: Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn delta(index: u64, delta: Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

fn stop(index: u64) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 3 } }),
        json!({ "type": "message_stop" }),
    ]
}

fn arguments(deltas: &[Delta]) -> Vec<(u32, String)> {
    let mut calls: Vec<(u32, String)> = Vec::new();
    for delta in deltas {
        match delta {
            Delta::ToolCall { index, .. } => calls.push((*index, String::new())),
            Delta::Arguments { index, json, .. } => {
                calls.iter_mut().find(|it| it.0 == *index).unwrap().1 += json;
            }
            _ => {}
        }
    }
    calls
}

#[test]
fn tools_count_from_zero_and_always_have_arguments() {
    let call = |id: &str, input: Value| json!({ "type": "tool_use", "id": id, "name": "f", "input": input });
    let piece = |json: &str| json!({ "type": "input_json_delta", "partial_json": json });
    let [finish, done] = end("tool_use");
    let deltas = read(&[
        start(),
        block(0, json!({ "type": "text", "text": "" })),
        stop(0),
        block(1, call("a", json!({}))),
        delta(1, piece("")),
        stop(1),
        block(2, call("b", json!({}))),
        delta(2, piece("{\"x\"")),
        delta(2, piece(":1}")),
        stop(2),
        block(3, call("c", json!({ "whole": true }))),
        stop(3),
        finish,
        done,
    ]);
    let deltas = deltas.unwrap();
    assert_eq!(
        arguments(&deltas),
        [
            (0, "{}".to_owned()),
            (1, "{\"x\":1}".to_owned()),
            (2, "{\"whole\":true}".to_owned())
        ]
    );
    let finish = Finish::ToolCalls;
    let last = &deltas[deltas.len() - 2..];
    assert_eq!(last, [Delta::Finish { choice: 0, finish }, Delta::Done]);
}

#[test]
fn a_thought_ends_with_its_signature() {
    let [finish, done] = end("end_turn");
    let deltas = read(&[
        start(),
        block(
            0,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
        ),
        delta(0, json!({ "type": "thinking_delta", "thinking": "hm" })),
        delta(0, json!({ "type": "thinking_delta", "thinking": "" })),
        delta(0, json!({ "type": "signature_delta", "signature": "a" })),
        delta(0, json!({ "type": "signature_delta", "signature": "b" })),
        stop(0),
        block(1, json!({ "type": "redacted_thinking", "data": "r" })),
        stop(1),
        finish,
        done,
    ]);
    let deltas = deltas.unwrap();
    let thinking = Delta::Thinking {
        choice: 0,
        text: "hm".to_owned(),
    };
    assert_eq!(deltas[1], thinking);
    assert!(matches!(&deltas[2], Delta::Signed { signature, .. } if signature.value == "ab"));
    assert!(matches!(&deltas[3], Delta::Redacted { signature, .. } if signature.value == "r"));
}

#[test]
fn what_the_providers_own_tools_do_is_passed_over() {
    let [finish, done] = end("end_turn");
    let deltas = read(&[
        json!({ "type": "ping" }),
        start(),
        json!({ "type": "made_up", "delta": 7 }),
        block(
            0,
            json!({ "type": "server_tool_use", "id": "s", "name": "search" }),
        ),
        delta(
            0,
            json!({ "type": "input_json_delta", "partial_json": "{}" }),
        ),
        stop(0),
        delta(1, json!({ "type": "text_delta", "text": "no start" })),
        delta(1, json!({ "type": "citations_delta", "citation": {} })),
        stop(1),
        finish,
        done,
        json!({ "type": "error" }),
    ]);
    let deltas = deltas.unwrap();
    let text = Delta::Text {
        choice: 0,
        text: "no start".to_owned(),
    };
    assert_eq!((&deltas[0], &deltas[2]), (&Delta::Ping, &text));
    assert_eq!((deltas.len(), deltas.last()), (6, Some(&Delta::Done)));
}

#[test]
fn a_refusal_is_explained() {
    let finish = json!({ "type": "message_delta", "delta": { "stop_reason": "refusal",
        "stop_details": { "type": "refusal", "explanation": "no" } } });
    let deltas = read(&[start(), finish]).unwrap();
    assert_eq!(
        deltas[1..],
        [
            Delta::Refusal {
                choice: 0,
                text: "no".to_owned()
            },
            Delta::Finish {
                choice: 0,
                finish: Finish::Filtered
            }
        ]
    );
}

#[test]
fn a_character_cut_in_two_is_whole_again_and_half_a_one_is_replaced() {
    let (mut reader, mut out) = (StreamReader::default(), Vec::new());
    let piece = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    };
    reader
        .read(start().to_string().as_bytes(), &mut out)
        .unwrap();
    for text in [r"a\ud83c", r"\udf0db", r"\ud83c"] {
        reader.read(piece(text).as_bytes(), &mut out).unwrap();
    }
    reader
        .read(stop(0).to_string().as_bytes(), &mut out)
        .unwrap();
    let texts = out.iter().filter_map(|delta| match delta {
        Delta::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<String>(), "a\u{1f30d}b\u{fffd}");
}

#[test]
fn an_error_in_mid_stream_ends_it() {
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let [finish, done] = end("end_turn");
    let deltas = read(&[start(), error, finish, done]).unwrap();
    assert_eq!(deltas.len(), 2);
    assert!(matches!(&deltas[1], Delta::Failed(fault) if fault.kind == Kind::Overloaded));
}

#[test]
fn what_a_provider_should_not_say_is_a_fault() {
    let [finish, done] = end("made_up");
    for events in [
        vec![json!({})],
        vec![json!([])],
        vec![delta(0, json!({ "type": "text_delta", "text": "x" }))],
        vec![start(), finish],
        vec![start(), done],
        vec![
            start(),
            json!({ "type": "content_block_delta", "index": -1 }),
        ],
        std::iter::once(start())
            .chain((0..100).map(|it| block(it, json!({}))))
            .collect(),
    ] {
        assert!(read(&events).is_err(), "{events:?}");
    }
    assert!(
        StreamReader::default()
            .read(b"[DONE]", &mut Vec::new())
            .is_err()
    );
}

#[test]
fn usage_is_a_running_total() {
    let mut start = start();
    start["message"]["usage"] = json!({ "input_tokens": 43, "output_tokens": 1 });
    let [mut finish, done] = end("end_turn");
    finish["usage"] = json!({ "input_tokens": 61, "output_tokens": 2 });
    let deltas = read(&[start, finish, done]).unwrap();
    let totals = deltas.iter().filter_map(|delta| match delta {
        Delta::Usage(usage) => Some((usage.input, usage.output)),
        _ => None,
    });
    assert_eq!(totals.collect::<Vec<_>>(), [(43, 1), (61, 2)]);
}
