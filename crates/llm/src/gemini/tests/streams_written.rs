use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::{data, nobody, read_events, write_events};
use crate::canon::{Ask, Delta, Finish, Reasoning};

fn text(text: &str) -> Delta {
    Delta::Text {
        choice: 0,
        text: text.to_owned(),
    }
}

fn call(index: u32, name: &str) -> Delta {
    Delta::ToolCall {
        choice: 0,
        index,
        id: format!("id{index}"),
        name: name.to_owned(),
        signature: None,
    }
}

fn arguments(index: u32, json: &str) -> Delta {
    Delta::Arguments {
        choice: 0,
        index,
        json: json.to_owned(),
    }
}

fn finish(finish: Finish) -> Delta {
    Delta::Finish { choice: 0, finish }
}

fn events(deltas: impl IntoIterator<Item = Delta>) -> Vec<Value> {
    let stream = write_events(deltas, &nobody(), false);
    data(&stream)
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

fn start() -> Delta {
    Delta::Start {
        id: "r\"".to_owned(),
        model: "g".to_owned(),
        created: 7,
    }
}

#[test]
fn a_text_is_written_as_google_would() {
    let usage = Usage {
        input: 9,
        output: 2,
        ..Usage::default()
    };
    let deltas = [
        start(),
        text("a\n\"\u{1f30d}"),
        Delta::Ping,
        finish(Finish::Stop),
        Delta::Usage(usage),
        Delta::Done,
    ];
    let expected = [
        json!({"candidates": [{"content": {"parts": [{"text": "a\n\"\u{1f30d}"}], "role": "model"}, "index": 0}],
            "modelVersion": "g", "responseId": "r\""}),
        json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
            "modelVersion": "g", "responseId": "r\""}),
    ];
    assert_eq!(events(deltas), expected);
}

#[test]
fn calls_that_interleave_are_written_whole_and_in_order() {
    let events = events([
        start(),
        call(0, "f"),
        call(1, "g"),
        arguments(1, "{\n\"b\":"),
        arguments(0, "{\"a\":1"),
        arguments(1, "2}"),
        arguments(0, "}"),
        arguments(7, "{}"),
        finish(Finish::ToolCalls),
        Delta::Done,
    ]);
    let calls: Vec<_> = events[..2]
        .iter()
        .map(|event| &event["candidates"][0]["content"]["parts"][0]["functionCall"])
        .collect();
    assert_eq!(
        calls,
        [
            &json!({"id": "id0", "name": "f", "args": {"a": 1}}),
            &json!({"id": "id1", "name": "g", "args": {"b": 2}}),
        ]
    );
    assert_eq!(events[2]["candidates"][0]["finishReason"], "STOP");
    assert_eq!(events.len(), 3);
}

#[test]
fn arguments_that_are_no_object_end_a_stream_as_google_says() {
    for (piece, reason, expected) in [
        ("", Finish::ToolCalls, "STOP"),
        ("{", Finish::ToolCalls, "MALFORMED_FUNCTION_CALL"),
        ("{", Finish::Length, "MAX_TOKENS"),
    ] {
        let events = events([
            start(),
            call(0, "f"),
            arguments(0, piece),
            finish(reason),
            Delta::Done,
        ]);
        assert_eq!(
            events.last().unwrap()["candidates"][0]["finishReason"],
            expected
        );
    }
}

#[test]
fn without_an_end_none_is_written() {
    let stream = write_events([start(), text("a"), finish(Finish::Stop)], &nobody(), false);
    assert!(!stream.contains("finishReason"), "{stream}");
    let stream = write_events([start(), text("a"), finish(Finish::Stop)], &nobody(), true);
    assert!(!stream.ends_with(']'), "{stream}");
}

#[test]
fn an_array_is_one_json_value() {
    for deltas in [
        vec![Delta::Done],
        vec![
            start(),
            text("a"),
            text("b"),
            call(0, "f"),
            finish(Finish::ToolCalls),
            Delta::Done,
            text("late"),
        ],
    ] {
        let array = write_events(deltas.clone(), &nobody(), true);
        let events: Vec<Value> = serde_json::from_str(&array).unwrap();
        assert_eq!(events, self::events(deltas));
    }
}

#[test]
fn several_answers_end_together() {
    let choice = |choice, text: &str| Delta::Text {
        choice,
        text: text.to_owned(),
    };
    let ends = |choice, finish| Delta::Finish { choice, finish };
    let events = events([
        start(),
        choice(1, "b"),
        choice(0, "a"),
        ends(1, Finish::Length),
        ends(0, Finish::Filtered),
        ends(0, Finish::Stop),
        Delta::Done,
    ]);
    assert_eq!(events[0]["candidates"][0]["index"], 1);
    let last = events.last().unwrap()["candidates"].as_array().unwrap();
    let ends: Vec<_> = last
        .iter()
        .map(|it| (it["index"].as_u64(), it["finishReason"].as_str()))
        .collect();
    assert_eq!(
        ends,
        [(Some(1), Some("MAX_TOKENS")), (Some(0), Some("SAFETY"))]
    );
}

#[test]
fn thoughts_that_are_not_wanted_are_not_streamed() {
    let reasoning = Some(Reasoning {
        shown: Some(false),
        ..Reasoning::default()
    });
    let ask = Ask {
        reasoning,
        ..nobody()
    };
    let signature = crate::canon::Signature {
        origin: crate::Dialect::Gemini,
        value: "s".to_owned(),
    };
    let signed = || Delta::Signed {
        choice: 0,
        signature: signature.clone(),
    };
    let thinking = |text: &str| Delta::Thinking {
        choice: 0,
        text: text.to_owned(),
    };
    let stream = write_events([start(), thinking("hm"), signed(), text("a")], &ask, false);
    assert_eq!(data(&stream).len(), 1);
    let stream = write_events([start(), thinking(""), signed(), text("a")], &ask, false);
    assert_eq!(data(&stream).len(), 2);
}

#[test]
fn what_is_held_has_a_bound() {
    let megabyte = "x".repeat(1 << 20);
    let pieces = (0..100).map(|_| arguments(0, &megabyte));
    let deltas: Vec<_> = [start(), call(0, "f")]
        .into_iter()
        .chain(pieces)
        .chain([finish(Finish::ToolCalls), Delta::Done])
        .collect();
    for array in [false, true] {
        let stream = write_events(deltas.clone(), &nobody(), array);
        assert!(stream.contains("answer_too_large") && !stream.contains("finishReason"));
    }
    let calls = (0..1000).map(|index| call(index, "f"));
    let stream = write_events(calls.chain([Delta::Done]), &nobody(), false);
    assert!(stream.contains("answer_too_large"));
}

#[test]
fn probabilities_are_written_and_read_again() {
    let token = json!({"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []});
    let logprobs = Delta::Logprobs {
        choice: 0,
        logprobs: json!({"content": [token]}),
    };
    let stream = write_events(
        [start(), logprobs.clone(), finish(Finish::Stop), Delta::Done],
        &nobody(),
        false,
    );
    assert!(read_events(data(&stream)).contains(&logprobs));
}
