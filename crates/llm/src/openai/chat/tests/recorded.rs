//! What providers have sent, replayed. The recordings are not a part of this repository; where they are, is told by
//! `TOLLGATE_SHARED_DATA`. Here are only facts about them, as they were found when they were looked through.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::gather::{gather, read};
use crate::{
    canon::{Answer, Ask, Choice, Delta, Part, WriteStream},
    openai::chat::{NAMES, StreamWriter, read_answer, write_answer},
};

#[test]
fn recorded_streams_read_as_they_always_did() {
    for (name, events) in streams() {
        let deltas = read(&events).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        let answer = gather(&deltas).unwrap_or_else(|| panic!("{name}: not complete"));
        check(&name, &answer);
    }
}

#[test]
fn recorded_answers_read_as_they_always_did() {
    for (name, body) in files(".json") {
        if body.contains("\"chat.completion\"") {
            let answer = read_answer(body.as_bytes());
            check(
                &name,
                &answer.unwrap_or_else(|fault| panic!("{name}: {fault:?}")),
            );
        }
    }
}

#[test]
fn a_recorded_stream_that_is_cut_is_not_complete() {
    for (name, events) in streams() {
        let finishes: Vec<bool> = events
            .iter()
            .map(|event| {
                let event: Value = serde_json::from_str(event).unwrap_or_default();
                event["choices"][0]["finish_reason"].is_string()
            })
            .collect();
        for cut in 0..events.len() {
            let complete = gather(&read(&events[..cut]).unwrap()).is_some();
            let whole = cut > 0 && !finishes[cut..].contains(&true);
            assert_eq!(complete, whole, "{name}, cut after {cut} events");
        }
    }
}

#[test]
fn what_is_written_of_a_recorded_stream_reads_the_same() {
    for (name, events) in streams() {
        let mut deltas = read(&events).unwrap();
        for delta in &mut deltas {
            if let Delta::Start {
                created: created @ 0,
                ..
            } = delta
            {
                *created = 1; // Where there is no time, ours is written.
            }
        }
        let mut ask = Ask::new(&NAMES);
        ask.stream_usage = true;
        let mut writer = StreamWriter::new(&ask);
        let mut out = Vec::new();
        for delta in deltas.clone() {
            writer.write(delta, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        let written = out.split_terminator("\n\n");
        let written = written.map(|event| event.strip_prefix("data: ").unwrap());
        let again = read(written).unwrap();
        assert_eq!(gather(&again), gather(&deltas), "{name}");
        let logprobs = |deltas: &[Delta]| {
            let is = |delta: &&Delta| matches!(delta, Delta::Logprobs { .. });
            deltas.iter().filter(is).count()
        };
        assert_eq!(logprobs(&again), logprobs(&deltas), "{name}");

        let answer = gather(&deltas).unwrap();
        let whole = write_answer(&answer, &ask);
        assert_eq!(read_answer(&whole).unwrap(), answer, "{name}");
    }
}

/// Compares the facts with those that are kept; with `TOLLGATE_KEEP_GOLDEN` set, keeps them.
fn check(name: &str, answer: &Answer) {
    let facts = json!({
        "choices": answer.choices.iter().map(facts).collect::<Vec<_>>(),
        "usage": answer.usage,
    });
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openai");
    let kept = kept.join(format!("{}.json", name.trim_end_matches(".json")));
    if env::var_os("TOLLGATE_KEEP_GOLDEN").is_some() {
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::write(&kept, serde_json::to_string_pretty(&facts).unwrap() + "\n").unwrap();
    }
    let Ok(kept) = fs::read_to_string(&kept) else {
        return; // A recording that was not there when the facts were written.
    };
    assert_eq!(
        serde_json::from_str::<Value>(&kept).unwrap(),
        facts,
        "{name}"
    );
}

fn facts(choice: &Choice) -> Value {
    let mut facts = vec![];
    for part in &choice.parts {
        facts.push(match part {
            Part::Text { text, .. } => json!({"text": text.len(), "hash": hash(text)}),
            Part::Thinking { text, .. } => json!({"thinking": text.len(), "hash": hash(text)}),
            Part::Refusal(text) => json!({"refusal": text.len(), "hash": hash(text)}),
            Part::ToolCall {
                name, arguments, ..
            } => {
                let parsed: Value = serde_json::from_str(arguments).expect("arguments are JSON");
                assert!(parsed.is_object());
                json!({"call": name, "arguments": arguments.len(), "hash": hash(arguments)})
            }
            part => panic!("{part:?}"),
        });
    }
    json!({
        "parts": facts,
        "finish": format!("{:?}", choice.finish),
        "logprobs": choice.logprobs.is_some(),
    })
}

/// FNV-1a, which stays the same.
fn hash(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

/// Recorded streams of chat completion chunks, by name.
fn streams() -> Vec<(String, Vec<String>)> {
    let lines = files(".chunks.txt").into_iter().map(|(name, all)| {
        let lines = all.lines().map(str::trim).filter(|line| !line.is_empty());
        (name, lines.map(str::to_owned).collect::<Vec<_>>())
    });
    let framed = files(".sse").into_iter().map(|(name, all)| {
        let data = all.lines().filter_map(|line| line.strip_prefix("data:"));
        (name, data.map(|data| data.trim().to_owned()).collect())
    });
    let is_chat = |event: &String| event.contains("\"chat.completion.chunk\"");
    lines
        .chain(framed)
        .filter(|(_, events)| events.iter().any(is_chat))
        .collect()
}

/// Recordings whose name ends so; none, and a word about it, if there are no recordings.
fn files(end: &str) -> Vec<(String, String)> {
    let root = env::var_os("TOLLGATE_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let root = root.join("streams");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(end)
                && let Ok(text) = fs::read_to_string(&path)
            {
                files.push((name, text));
            }
        }
    }
    if files.is_empty() {
        eprintln!("passed over: there are no recordings in {}", root.display());
    }
    files
}
