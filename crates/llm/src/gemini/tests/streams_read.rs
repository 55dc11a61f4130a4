use serde_json::json;
use tollgate_core::fact::Usage;

use super::read_events;
use crate::{
    Dialect,
    canon::{Delta, Finish, Kind, ReadStream, Signature},
    gemini::StreamReader,
};

fn text(text: &str) -> Delta {
    Delta::Text {
        choice: 0,
        text: text.to_owned(),
    }
}

fn event(parts: serde_json::Value, finish: Option<&str>) -> String {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}]}).to_string()
}

fn start() -> Delta {
    Delta::Start {
        id: String::new(),
        model: String::new(),
        created: 0,
    }
}

#[test]
fn a_text_is_read_as_it_comes() {
    let deltas = read_events([
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],
            "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1},"modelVersion":"g","responseId":"r"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"x"}]},"finishReason":"STOP"}],
            "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}"#,
    ]);
    let used = |output| {
        Delta::Usage(Usage {
            input: 9,
            output,
            ..Usage::default()
        })
    };
    let expected = [
        Delta::Start {
            id: "r".to_owned(),
            model: "g".to_owned(),
            created: 0,
        },
        used(1),
        text("a"),
        text("b"),
        used(2),
        Delta::Finish {
            choice: 0,
            finish: Finish::Stop,
        },
        Delta::Done,
    ];
    assert_eq!(deltas, expected);
}

#[test]
fn a_call_comes_whole_with_its_signature() {
    let call = event(
        json!([{"functionCall": {"name": "f", "args": {"a": 1}, "id": "x"}, "thoughtSignature": "s"}]),
        None,
    );
    let other = event(json!([{"functionCall": {"name": "g"}}]), None);
    let deltas = read_events([&*call, &other, &event(json!([{"text": ""}]), Some("STOP"))]);
    let signature = Signature {
        origin: Dialect::Gemini,
        value: "s".to_owned(),
    };
    let first = Delta::ToolCall {
        choice: 0,
        index: 0,
        id: "x".to_owned(),
        name: "f".to_owned(),
        signature: Some(signature),
    };
    let arguments = |index, json: &str| Delta::Arguments {
        choice: 0,
        index,
        json: json.to_owned(),
    };
    assert_eq!(deltas[..3], [start(), first, arguments(0, r#"{"a":1}"#)]);
    assert!(matches!(&deltas[3], Delta::ToolCall { index: 1, id, .. } if id.starts_with("call_")));
    assert_eq!(
        deltas[4..],
        [
            arguments(1, "{}"),
            Delta::Finish {
                choice: 0,
                finish: Finish::ToolCalls
            },
            Delta::Done
        ]
    );
}

#[test]
fn a_call_that_comes_in_pieces_is_put_together() {
    let piece = |text: &str| json!([{"functionCall": {"partialArgs": [{"jsonPath": "$.id", "stringValue": text}], "willContinue": true}}]);
    let deltas = read_events([
        &*event(
            json!([{"functionCall": {"name": "f", "willContinue": true}}]),
            None,
        ),
        &event(piece("A"), None),
        &event(piece("B"), None),
        &event(json!([{"functionCall": {}}]), None),
        &event(
            json!([{"functionCall": {"name": "g", "willContinue": true}}]),
            None,
        ),
        &event(piece("C"), Some("STOP")),
    ]);
    let arguments: Vec<_> = deltas
        .iter()
        .filter_map(|delta| match delta {
            Delta::Arguments { index, json, .. } => Some((*index, &**json)),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, [(0, r#"{"id":"AB"}"#), (1, r#"{"id":"C"}"#)]);
    assert_eq!(deltas.last(), Some(&Delta::Done));
}

#[test]
fn thoughts_and_what_is_signed_are_told_from_texts() {
    let deltas = read_events([
        &*event(json!([{"text": "hm", "thought": true}]), None),
        &event(
            json!([{"text": "", "thought": true, "thoughtSignature": "s"}, {"text": "so"}]),
            Some("MAX_TOKENS"),
        ),
    ]);
    let signature = Signature {
        origin: Dialect::Gemini,
        value: "s".to_owned(),
    };
    let expected = [
        start(),
        Delta::Thinking {
            choice: 0,
            text: "hm".to_owned(),
        },
        Delta::Signed {
            choice: 0,
            signature,
        },
        text("so"),
        Delta::Finish {
            choice: 0,
            finish: Finish::Length,
        },
        Delta::Done,
    ];
    assert_eq!(deltas, expected);
}

#[test]
fn a_stream_without_an_end_is_not_done() {
    for events in [vec![], vec![event(json!([{"text": "a"}]), None)]] {
        let deltas = read_events(events.iter().map(|event| &**event));
        assert!(!deltas.contains(&Delta::Done));
    }
    // One of two answers has ended.
    let two = r#"{"candidates":[{"index":0,"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#;
    assert!(!read_events([two]).contains(&Delta::Done));
}

#[test]
fn a_refused_prompt_is_filtered() {
    let blocked =
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":5}}"#;
    let deltas = read_events([blocked]);
    assert!(deltas.contains(&Delta::Finish {
        choice: 0,
        finish: Finish::Filtered
    }));
    assert_eq!(deltas.last(), Some(&Delta::Done));
}

#[test]
fn a_fault_ends_a_stream_and_is_never_its_end() {
    let error = r#"{"error":{"code":503,"message":"full","status":"UNAVAILABLE"}}"#;
    let wrapped = format!("[{error}]");
    let malformed = event(json!([]), Some("MALFORMED_FUNCTION_CALL"));
    let first = event(json!([{"text": "a"}]), None);
    let late = event(json!([{"text": "b"}]), Some("STOP"));
    for (bad, kind) in [
        (error, Kind::Overloaded),
        (&wrapped, Kind::Overloaded),
        (&malformed, Kind::Internal),
    ] {
        let deltas = read_events([&*first, bad, &late]);
        let Some(Delta::Failed(fault)) = deltas.last() else {
            panic!("{deltas:?}");
        };
        assert_eq!(fault.kind, kind);
        assert!(
            !deltas
                .iter()
                .any(|delta| matches!(delta, Delta::Finish { .. }))
        );
    }
}

#[test]
fn nonsense_ends_a_stream() {
    for bad in ["{", "nonsense", "[1]", r#"{"candidates":1}"#, "\"x\""] {
        let mut reader = StreamReader::default();
        let mut out = Vec::new();
        assert!(reader.read(bad.as_bytes(), &mut out).is_err(), "{bad}");
        assert_eq!(
            reader.read(event(json!([]), Some("STOP")).as_bytes(), &mut out),
            Ok(())
        );
        reader.finish(&mut out);
        assert!(out.is_empty(), "{bad}");
    }
    let mut reader = StreamReader::default();
    let many: Vec<_> = (0..1000).map(|index| json!({"index": index})).collect();
    let event = json!({"candidates": many}).to_string();
    assert!(reader.read(event.as_bytes(), &mut Vec::new()).is_err());
}

#[test]
fn characters_cut_in_two_are_whole_again() {
    let deltas = read_events([
        r#"{"candidates":[{"content":{"parts":[{"text":"a\ud83c"}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"\udf0db\ud83c"}]},"finishReason":"STOP"}]}"#,
    ]);
    let expected = [start(), text("a"), text("\u{1f30d}b"), text("\u{fffd}")];
    assert_eq!(deltas[..4], expected);
}
