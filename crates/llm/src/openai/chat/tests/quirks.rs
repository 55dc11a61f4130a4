use serde_json::{Value, json};

use super::gather::{gather, read};
use crate::canon::{Choice, Delta, Finish, Kind, Part};

/// The first choice of a stream of these deltas, which ends with this reason.
fn choice(deltas: &[Value], reason: &str) -> Choice {
    let mut events: Vec<String> = deltas
        .iter()
        .map(|delta| json!({"id": "x", "choices": [{"index": 0, "delta": delta}]}).to_string())
        .collect();
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
    events.push(last.to_string());
    events.push("[DONE]".to_owned());
    let mut answer = gather(&read(events).unwrap()).unwrap();
    answer.choices.remove(0)
}

/// The names and arguments of the calls in these pieces of `tool_calls`, whose ids must differ.
fn calls(pieces: &[Value]) -> Vec<(String, String)> {
    let deltas: Vec<Value> = pieces
        .iter()
        .map(|piece| json!({"tool_calls": piece}))
        .collect();
    let choice = choice(&deltas, "stop");
    assert_eq!(choice.finish, Finish::ToolCalls);
    let mut ids = std::collections::HashSet::new();
    let parts = choice.parts.into_iter();
    parts
        .map(|part| match part {
            Part::ToolCall {
                id,
                name,
                arguments,
                ..
            } => {
                assert!(!id.is_empty() && ids.insert(id));
                (name, arguments)
            }
            part => panic!("{part:?}"),
        })
        .collect()
}

fn named(calls: &[(String, String)]) -> Vec<(&str, &str)> {
    calls
        .iter()
        .map(|(name, arguments)| (&**name, &**arguments))
        .collect()
}

#[test]
fn pieces_of_calls_are_joined_by_their_index_also_when_they_interleave() {
    let first = |index: u32, name: &str| json!({"index": index, "id": format!("c{index}"), "type": "function", "function": {"name": name, "arguments": ""}});
    let next = |index: u32, json: &str| json!({"index": index, "function": {"arguments": json}});
    let calls = calls(&[
        json!([first(0, "f"), first(1, "g")]),
        json!([next(0, "{\"a\"")]),
        json!([next(1, "{"), next(0, ":1}")]),
        json!([next(1, "}")]),
    ]);
    assert_eq!(named(&calls), [("f", "{\"a\":1}"), ("g", "{}")]);
}

#[test]
fn calls_that_all_have_index_zero_are_told_apart() {
    let whole = |id: Value, name: &str, json: &str| json!([{"index": 0, "id": id, "function": {"name": name, "arguments": json}}]);
    for id in [json!(null), json!(""), json!("c")] {
        let next = match &id {
            Value::String(text) if !text.is_empty() => json!("d"),
            id => id.clone(),
        };
        let calls = calls(&[whole(id, "f", "{\"a\":1}"), whole(next, "f", "{\"a\":2}")]);
        assert_eq!(named(&calls), [("f", "{\"a\":1}"), ("f", "{\"a\":2}")]);
    }
}

#[test]
fn calls_without_any_index_come_whole() {
    let whole = |name: &str| json!([{"function": {"name": name, "arguments": {"a": "\u{e9}"}}}]);
    let calls = calls(&[whole("f"), whole("f"), json!([{"function": {"name": "g"}}])]);
    let arguments = "{\"a\":\"\u{e9}\"}";
    assert_eq!(
        named(&calls),
        [("f", arguments), ("f", arguments), ("g", "{}")]
    );
}

#[test]
fn an_id_or_a_name_that_is_repeated_begins_no_new_call() {
    let piece =
        |json: &str| json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": json}}]);
    let calls_with_id = calls(&[piece("{"), piece("\"a\":1"), piece("}"), piece("")]);
    assert_eq!(named(&calls_with_id), [("f", "{\"a\":1}")]);
    let piece = |json: &str| json!([{"index": 0, "function": {"name": "f", "arguments": json}}]);
    let calls_without = calls(&[piece("{"), piece("}"), piece("")]);
    assert_eq!(named(&calls_without), [("f", "{}")]);
}

#[test]
fn a_name_may_come_after_the_id_and_the_arguments_begin() {
    let calls = calls(&[
        json!([{"index": 0, "id": "c", "function": {"name": "", "arguments": "{"}}]),
        json!([{"index": 0, "function": {"name": "f", "arguments": "}"}}]),
    ]);
    assert_eq!(named(&calls), [("f", "{}")]);
}

#[test]
fn reasoning_of_either_name_is_thinking() {
    for name in ["reasoning_content", "reasoning"] {
        let choice = choice(
            &[
                json!({"role": "assistant", name: "h", "content": null}),
                json!({"role": "assistant", name: "m", "content": ""}),
                json!({"content": "a"}),
            ],
            "stop",
        );
        let thinking = Part::Thinking {
            text: "hm".to_owned(),
            signature: None,
        };
        assert_eq!(choice.parts, [thinking, Part::text("a")], "{name}");
    }
}

#[test]
fn an_empty_reason_is_none() {
    let event = |delta: Value, reason: &str| {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).to_string()
    };
    let events = [
        event(json!({"content": "a"}), ""),
        event(json!({"content": "b"}), ""),
        "[DONE]".to_owned(),
    ];
    let deltas = read(&events).unwrap();
    let choice = &gather(&deltas).unwrap().choices[0];
    assert_eq!(
        (&choice.parts, &choice.finish),
        (&vec![Part::text("ab")], &Finish::Stop)
    );
    assert_eq!(
        gather(&read(&events[..2]).unwrap()),
        None,
        "no reason is invented"
    );
}

#[test]
fn usage_may_stand_in_any_chunk_and_the_last_word_counts() {
    let event = |delta: Value, used: u64| {
        json!({"choices": [{"index": 0, "delta": delta}], "usage": {"completion_tokens": used}})
            .to_string()
    };
    let events = [
        event(json!({"content": "a"}), 1),
        event(json!({"content": "b"}), 2),
        "[DONE]".to_owned(),
    ];
    let answer = gather(&read(events).unwrap()).unwrap();
    assert_eq!(answer.usage.unwrap().output, 2);
    assert_eq!(answer.choices[0].parts, [Part::text("ab")]);
}

#[test]
fn what_stopped_the_answer_is_kept() {
    let event = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "###"}]});
    let answer = gather(&read([event.to_string()]).unwrap()).unwrap();
    assert_eq!(
        answer.choices[0].finish,
        Finish::StopSequence(Some("###".to_owned()))
    );
}

#[test]
fn a_character_that_is_cut_in_two_is_whole_again() {
    let event = |field: &str, text: &str| {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"{field}":"{text}"}}}}]}}"#)
    };
    let events = [
        event("content", "a"),
        event("content", "\\ud83c"),
        event("content", "\\udf0d"),
        event("content", "\\ud83c"),
        event("reasoning_content", "b"),
        event("content", "c\\ud83c"),
        "[DONE]".to_owned(),
    ];
    let answer = gather(&read(events).unwrap()).unwrap();
    let thinking = Part::Thinking {
        text: "b".to_owned(),
        signature: None,
    };
    let expected = [
        Part::text("a\u{1f30d}\u{fffd}"),
        thinking,
        Part::text("c\u{fffd}"),
    ];
    assert_eq!(answer.choices[0].parts, expected);
}

#[test]
fn an_error_in_a_stream_ends_it_without_an_end() {
    let text = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let error = r#"{"error":{"message":"m","type":"overloaded_error"}}"#;
    let deltas = read([text, error, text, "[DONE]"]).unwrap();
    let Some(Delta::Failed(fault)) = deltas.last() else {
        panic!("{deltas:?}");
    };
    assert_eq!(fault.kind, Kind::Overloaded);
}

#[test]
fn what_is_no_chunk_is_a_fault() {
    let far = r#"{"choices":[{"index":128,"delta":{}}]}"#;
    let reason = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
    for event in ["{", "hello", "[DONE]", far, reason] {
        assert!(read([event]).is_err(), "{event}");
    }
    assert_eq!(read(["", " "]).unwrap(), []);
    assert_eq!(read(["{}"]).unwrap(), []);
}

#[test]
fn a_stream_of_several_choices_is_complete_when_all_are() {
    let event = |index: u32, reason: Value| {
        json!({"choices": [{"index": index, "delta": {"content": "a"}, "finish_reason": reason}]})
            .to_string()
    };
    let events = [
        event(1, Value::Null),
        event(0, Value::Null),
        event(1, json!("stop")),
        event(0, json!("length")),
    ];
    assert_eq!(gather(&read(&events[..3]).unwrap()), None);
    let answer = gather(&read(&events).unwrap()).unwrap();
    assert_eq!(answer.choices[1].finish, Finish::Stop);
    assert_eq!(answer.choices[0].parts, [Part::text("aa")]);
}
