use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::{
    ask,
    events::{accumulated, events, order},
    parse, shared,
};
use crate::{
    Dialect,
    canon::{Delta, Finish, Signature, WriteStream},
    openai::responses::{Ends, StreamWriter, ends, stream_usage, usage},
};

#[test]
fn recorded_streams_are_metered_and_told_again_in_their_order() {
    for (name, path) in recordings(".chunks.txt") {
        let text = fs::read_to_string(&path).unwrap();
        if !text.contains("\"response.created\"") {
            continue;
        }
        let mut facts = Vec::new();
        for stream in streams(&text) {
            facts.push(told_again(&stream));
        }
        golden(&name, &json!(facts));
    }
}

#[test]
fn recorded_answers_are_metered() {
    for (name, path) in recordings(".json") {
        let body = fs::read(&path).unwrap();
        if name.starts_with("responses-") {
            golden(&format!("{name}.json"), &json!({ "usage": usage(&body) }));
        }
    }
}

#[test]
fn only_what_ends_a_stream_says_so() {
    for (data, expected) in [
        (
            r#"{"type":"response.completed","response":{}}"#,
            Ends::Completed,
        ),
        (
            r#"{"response":{"type":"error"},"type":"response.incomplete"}"#,
            Ends::Incomplete,
        ),
        (r#"{ "type" : "response.failed" }"#, Ends::Failed),
        (r#"{"type":"response\u002efailed"}"#, Ends::Failed),
        (r#"{"type":"error","message":"x"}"#, Ends::Error),
        (r#"{"error":{"message":"x"}}"#, Ends::Error),
        (r#"{"error":null}"#, Ends::No),
        (
            r#"{"type":"response.output_text.delta","delta":"\"type\":\"response.completed\""}"#,
            Ends::No,
        ),
        (r#"{"type":"response.completed"#, Ends::No),
        ("[DONE]", Ends::No),
        ("", Ends::No),
    ] {
        assert_eq!(ends(data.as_bytes()), expected, "{data}");
    }
}

#[test]
fn nonsense_is_no_refund_and_zero_is_not_missing() {
    let so_far = Some(Usage {
        input: 7,
        ..Usage::default()
    });
    for (told, expected) in [
        (json!({"input_tokens": -5, "output_tokens": 1.5}), Some(7)),
        (json!({"input_tokens": "9"}), Some(7)),
        (json!({"input_tokens": 0, "output_tokens": 0}), Some(0)),
        (
            json!({"input_tokens": 9, "output_tokens": 0, "input_tokens_details": {"cached_tokens": 100}}),
            Some(0),
        ),
        (
            json!({"input_tokens": u64::MAX, "output_tokens": 0, "input_tokens_details": "n/a"}),
            Some(u64::MAX),
        ),
        (json!("n/a"), Some(7)),
        (json!(null), Some(7)),
    ] {
        let event = json!({"type": "response.incomplete", "response": {"usage": told}}).to_string();
        let read = stream_usage(event.as_bytes(), so_far);
        assert_eq!(read.map(|usage| usage.input), expected, "{told}");
    }
    let early = br#"{"type":"response.in_progress","response":{"usage":{"input_tokens":9}}}"#;
    assert_eq!(stream_usage(early, so_far), so_far);
}

/// Tells a recorded stream again, and compares what can be told.
fn told_again(stream: &[Value]) -> Value {
    let mut writer = StreamWriter::new(&ask());
    let mut out = Vec::new();
    let mut used = None;
    let mut ended = Vec::new();
    let mut ours: Vec<Value> = Vec::new();
    for event in stream {
        let data = event.to_string();
        used = stream_usage(data.as_bytes(), used);
        match ends(data.as_bytes()) {
            Ends::No => {}
            ends => ended.push(format!("{ends:?}")),
        }
        if is_ours(event, stream) {
            ours.push(event.clone());
        }
        for delta in deltas(event) {
            writer.write(delta, &mut out);
        }
        if event["type"] == "error" {
            writer.fail("x", "x", &mut out);
        }
    }
    let told = events(&out);
    assert_eq!(order(&told), order(&ours));
    assert_eq!(said(&told), said(&ours));
    let output = accumulated(&told);
    assert_eq!(told.last().unwrap()["response"]["output"], json!(output));
    json!({ "ends": ended, "usage": used, "order": order(&told) })
}

/// All that the deltas say, and which tools are called.
fn said(events: &[Value]) -> Vec<&Value> {
    let deltas = events.iter().filter_map(|event| event.get("delta"));
    let added = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.added");
    let calls = added.flat_map(|event| [&event["item"]["name"], &event["item"]["call_id"]]);
    deltas.chain(calls).collect()
}

/// Whether an event tells of an item that we have, too.
fn is_ours(event: &Value, stream: &[Value]) -> bool {
    match event.get("output_index") {
        None => true,
        Some(index) => stream.iter().any(|added| {
            added["type"] == "response.output_item.added"
                && added["output_index"] == *index
                && is_known(&added["item"])
        }),
    }
}

fn is_known(item: &Value) -> bool {
    ["message", "function_call", "reasoning"].contains(&item["type"].as_str().unwrap())
}

/// What a provider of another dialect would have said.
fn deltas(event: &Value) -> Vec<Delta> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let index = u32::try_from(event["output_index"].as_u64().unwrap_or(0)).unwrap();
    let (item, response, choice) = (&event["item"], &event["response"], 0);
    match event["type"].as_str().unwrap() {
        "response.created" => vec![Delta::Start {
            id: text(&response["id"]),
            model: text(&response["model"]),
            created: response["created_at"].as_u64().unwrap(),
        }],
        "response.output_item.added" if item["type"] == "function_call" => vec![Delta::ToolCall {
            choice,
            index,
            id: text(&item["call_id"]),
            name: text(&item["name"]),
            signature: None,
        }],
        "response.output_item.done" if item["type"] == "reasoning" => vec![Delta::Signed {
            choice,
            signature: Signature {
                origin: Dialect::OpenAi,
                value: text(&item["encrypted_content"]),
            },
        }],
        "response.function_call_arguments.delta" => vec![Delta::Arguments {
            choice,
            index,
            json: text(&event["delta"]),
        }],
        "response.output_text.delta" => vec![Delta::Text {
            choice,
            text: text(&event["delta"]),
        }],
        "response.completed" => vec![
            Delta::Finish {
                choice,
                finish: Finish::Stop,
            },
            Delta::Done,
        ],
        _ => Vec::new(),
    }
}

fn streams(text: &str) -> Vec<Vec<Value>> {
    let mut streams: Vec<Vec<Value>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let event = parse(line.as_bytes());
        if event["type"] == "response.created" {
            streams.push(Vec::new());
        }
        streams.last_mut().unwrap().push(event);
    }
    streams
}

fn recordings(ending: &str) -> Vec<(String, PathBuf)> {
    let folders = ["streams/vercel-ai/openai", "streams/vercel-ai/azure"];
    let files = folders
        .into_iter()
        .filter_map(shared)
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let named = paths.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(ending)?.to_owned();
        Some((name, path))
    });
    named.collect()
}

/// Compares with what was found once; `TOLLGATE_GOLDEN=write` writes it anew.
fn golden(name: &str, facts: &Value) {
    let name = name
        .strip_suffix(".json")
        .map_or_else(|| format!("{name}.stream"), str::to_owned);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/responses");
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("TOLLGATE_GOLDEN").is_some_and(|it| it == "write") {
        fs::create_dir_all(folder).unwrap();
        fs::write(&path, format!("{facts:#}\n")).unwrap();
    }
    let known = fs::read(&path).unwrap_or_else(|_| panic!("no {}", path.display()));
    assert_eq!(facts, &parse(&known), "{name}");
}
