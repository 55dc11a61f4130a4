use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::StreamWriter;
use crate::{
    Dialect,
    anthropic::NAMES,
    canon::{Ask, Carried, Delta, Finish, Signature, WriteStream},
};

/// The events of a stream, each checked for its frame.
fn written(deltas: impl IntoIterator<Item = Delta>) -> Vec<Value> {
    let mut writer = StreamWriter::new(&Ask::new(&NAMES));
    let mut out = Vec::new();
    for delta in deltas {
        writer.write(delta, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}

/// Which blocks there were, with their joined pieces.
fn blocks(events: &[Value]) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for event in events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(!open, "blocks do not overlap");
                assert_eq!(event["index"], blocks.len());
                let block = &event["content_block"];
                let name = block["name"].as_str().or(block["type"].as_str());
                blocks.push((name.unwrap().to_owned(), String::new()));
                open = true;
            }
            "content_block_delta" => {
                assert!(open);
                assert_eq!(event["index"], blocks.len() - 1);
                let delta = event["delta"].as_object().unwrap();
                let piece = delta.iter().find(|(name, _)| *name != "type").unwrap().1;
                blocks.last_mut().unwrap().1 += piece.as_str().unwrap();
            }
            "content_block_stop" => {
                assert_eq!(event["index"], blocks.len() - 1);
                open = false;
            }
            _ => {}
        }
    }
    assert!(!open);
    blocks
}

fn call(index: u32) -> Delta {
    Delta::ToolCall {
        choice: 0,
        index,
        id: format!("c{index}"),
        name: format!("f{index}"),
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

fn text(text: &str) -> Delta {
    Delta::Text {
        choice: 0,
        text: text.to_owned(),
    }
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn a_stream_has_all_that_the_sdks_want() {
    let usage = Usage {
        input: 7,
        output: 3,
        ..Usage::default()
    };
    let events = written([
        Delta::Start {
            id: "m".to_owned(),
            model: "x".to_owned(),
            created: 0,
        },
        Delta::Ping,
        text("a"),
        Delta::Text {
            choice: 1,
            text: "another answer".to_owned(),
        },
        text("b"),
        Delta::Finish {
            choice: 0,
            finish: Finish::StopSequence(Some("z".to_owned())),
        },
        Delta::Usage(usage),
        Delta::Done,
    ]);

    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(
        events[0]["message"],
        json!({ "id": "m", "type": "message", "role": "assistant", "model": "x", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 0,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0 } })
    );
    assert_eq!(
        events[6]["delta"],
        json!({ "stop_reason": "stop_sequence", "stop_sequence": "z" })
    );
    assert_eq!(
        (
            &events[6]["usage"]["input_tokens"],
            &events[6]["usage"]["output_tokens"]
        ),
        (&json!(7), &json!(3))
    );
    assert_eq!(blocks(&events), named(&[("text", "ab")]));
}

#[test]
fn interleaved_calls_become_blocks_one_after_the_other() {
    let events = written([
        text("t"),
        call(0),
        arguments(0, "{\"a\":"),
        call(1),
        arguments(1, "{}"),
        call(2),
        arguments(2, "{\"c\":"),
        arguments(0, "1}"),
        arguments(2, "2}"),
        Delta::Done,
    ]);
    assert_eq!(
        blocks(&events),
        named(&[
            ("text", "t"),
            ("f0", "{\"a\":1}"),
            ("f1", "{}"),
            ("f2", "{\"c\":2}")
        ])
    );
}

#[test]
fn a_call_is_written_as_it_comes_once_the_one_before_is_complete() {
    let mut writer = StreamWriter::new(&Ask::new(&NAMES));
    let mut out = Vec::new();
    for delta in [call(0), arguments(0, "{}"), call(1)] {
        writer.write(delta, &mut out);
    }
    let before = out.len();
    writer.write(arguments(1, "{\"x\""), &mut out);
    assert!(out.len() > before);
}

#[test]
fn calls_without_an_end_do_not_hold_back_what_follows() {
    let events = written([
        call(0),
        arguments(0, "{"),
        call(1),
        arguments(1, "{}"),
        text("t"),
        arguments(0, "}"),
        Delta::Done,
    ]);
    assert_eq!(
        blocks(&events),
        named(&[("f0", "{"), ("f1", "{}"), ("text", "t")])
    );
}

#[test]
fn thoughts_end_with_their_signature_also_where_nothing_is_shown() {
    let signature = |origin| Signature {
        origin,
        value: "s".to_owned(),
    };
    let thought = Delta::Thinking {
        choice: 0,
        text: "hm".to_owned(),
    };
    let signed = |origin| Delta::Signed {
        choice: 0,
        signature: signature(origin),
    };
    let redacted = Delta::Redacted {
        choice: 0,
        signature: signature(Dialect::Gemini),
    };
    let events = written([
        thought,
        signed(Dialect::Anthropic),
        signed(Dialect::Gemini),
        redacted,
        Delta::Done,
    ]);

    assert_eq!(
        blocks(&events),
        named(&[
            ("thinking", "hms"),
            ("thinking", "tollgate.gemini.s"),
            ("redacted_thinking", "")
        ])
    );
    let redacted = events
        .iter()
        .find(|it| it["content_block"]["type"] == "redacted_thinking")
        .unwrap();
    assert_eq!(redacted["content_block"]["data"], "tollgate.gemini.s");
}

#[test]
fn the_signature_of_a_call_rides_in_its_id() {
    let signature = Signature {
        origin: Dialect::Gemini,
        value: "s".to_owned(),
    };
    let call = Delta::ToolCall {
        choice: 0,
        index: 0,
        id: "c".to_owned(),
        name: "f".to_owned(),
        signature: Some(signature.clone()),
    };
    let events = written([call]);
    let (id, carried) = Carried::from_id(events[0]["content_block"]["id"].as_str().unwrap());
    assert_eq!((id, carried.signature), ("c", Some(signature)));
}

#[test]
fn a_refusal_is_shown_and_named() {
    let finish = Delta::Finish {
        choice: 0,
        finish: Finish::Stop,
    };
    let refusal = Delta::Refusal {
        choice: 0,
        text: "no".to_owned(),
    };
    let events = written([refusal, finish, Delta::Done]);
    assert_eq!(blocks(&events), named(&[("text", "no")]));
    assert_eq!(events[3]["delta"]["stop_reason"], "refusal");
}
