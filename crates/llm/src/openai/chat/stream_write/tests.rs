use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::StreamWriter;
use crate::{
    Dialect,
    canon::{Ask, Carried, Delta, Finish, Signature, WriteStream},
    openai::chat::NAMES,
};

fn write(stream_usage: bool, deltas: Vec<Delta>) -> Vec<Value> {
    let mut ask = Ask::new(&NAMES);
    ask.stream_usage = stream_usage;
    let mut writer = StreamWriter::new(&ask);
    let mut out = Vec::new();
    for delta in deltas {
        writer.write(delta, &mut out);
    }
    let out = String::from_utf8(out).unwrap();
    let events = out.split_terminator("\n\n");
    events
        .map(|event| {
            let data = event.strip_prefix("data: ").unwrap();
            serde_json::from_str(data).unwrap_or_else(|_| json!(data))
        })
        .collect()
}

fn start() -> Delta {
    Delta::Start {
        id: "x".to_owned(),
        model: "m".to_owned(),
        created: 7,
    }
}

fn text(choice: u32, text: &str) -> Delta {
    Delta::Text {
        choice,
        text: text.to_owned(),
    }
}

fn chunk(index: u32, delta: Value, finish_reason: Value) -> Value {
    json!({
        "id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m",
        "choices": [{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
    })
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let usage = Usage {
        input: 3,
        output: 2,
        ..Usage::default()
    };
    let finish = Delta::Finish {
        choice: 0,
        finish: Finish::Stop,
    };
    let deltas = vec![
        start(),
        text(0, "a\""),
        Delta::Ping,
        Delta::Usage(usage),
        finish,
        Delta::Done,
    ];
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    let mut expected = vec![
        chunk(0, role, Value::Null),
        chunk(0, json!({"content": "a\""}), Value::Null),
        chunk(0, json!({}), json!("stop")),
        json!("[DONE]"),
    ];
    assert_eq!(write(false, deltas.clone()), expected);

    for chunk in &mut expected[..3] {
        chunk["usage"] = Value::Null;
    }
    let mut last = expected[0].clone();
    last["choices"] = json!([]);
    last["usage"] = json!({
        "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    });
    expected.insert(3, last);
    assert_eq!(write(true, deltas), expected);
}

#[test]
fn each_choice_begins_with_its_role() {
    let events = write(
        false,
        vec![start(), text(1, "b"), text(0, "a"), text(1, "c")],
    );
    let said: Vec<(u64, bool)> = events
        .iter()
        .map(|event| {
            let choice = &event["choices"][0];
            (
                choice["index"].as_u64().unwrap(),
                choice["delta"]["role"].is_string(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [(0, true), (1, true), (1, false), (0, false), (1, false)]
    );
}

#[test]
fn a_call_carries_what_was_thought_before_it() {
    let signature = |value: &str| Signature {
        origin: Dialect::Gemini,
        value: value.to_owned(),
    };
    let call = |index, own: Option<Signature>| Delta::ToolCall {
        choice: 0,
        index,
        id: format!("c{index}"),
        name: "f".to_owned(),
        signature: own,
    };
    let think = |text: &str| Delta::Thinking {
        choice: 0,
        text: text.to_owned(),
    };
    let arguments = Delta::Arguments {
        choice: 0,
        index: 1,
        json: "{}".to_owned(),
    };
    let signed = Delta::Signed {
        choice: 0,
        signature: signature("s"),
    };
    let events = write(
        false,
        vec![
            start(),
            think("h"),
            think("m"),
            signed,
            call(0, Some(signature("own"))),
            think("unsigned"),
            call(1, None),
            arguments,
        ],
    );
    let id = |event: &Value| {
        let id = &event["choices"][0]["delta"]["tool_calls"][0]["id"];
        id.as_str().unwrap().to_owned()
    };
    let carried = Carried {
        signature: Some(signature("own")),
        thinking: vec![(Some("hm".to_owned()), signature("s"))],
    };
    assert_eq!(Carried::from_id(&id(&events[3])), ("c0", carried));
    assert_eq!(id(&events[5]), "c1");
    let piece = &events[6]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(*piece, json!({"index": 1, "function": {"arguments": "{}"}}));
}

#[test]
fn a_broken_stream_has_no_end_mark() {
    let events = write(true, vec![start(), text(0, "a")]);
    assert_eq!(events.len(), 2);
}
