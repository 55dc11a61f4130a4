//! Recorded streams and answers, where they are at hand, against what was once made of them.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::{data, nobody, read_events, write_events};
use crate::{
    canon::{Answer, Choice, Delta, Fault, Finish, Part},
    gemini::{read_answer, read_error},
};

/// Where the recordings are; nothing, with a word about it, if they are not.
fn recordings() -> Option<Vec<PathBuf>> {
    let root = env::var_os("TOLLGATE_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(folder) = fs::read_dir(root.join("streams/vercel-ai/google")) else {
        eprintln!("passed over: no recordings (TOLLGATE_SHARED_DATA)");
        return None;
    };
    let files = folder.filter_map(|file| Some(file.ok()?.path()));
    // Those of Google's other API are not of this dialect.
    let mut files: Vec<_> = files
        .filter(|file| !name(file).starts_with("interactions"))
        .collect();
    files.sort();
    Some(files)
}

fn name(file: &std::path::Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

/// What was made of a recording, without its text.
fn facts(choices: &[Choice], usage: Option<Usage>) -> Value {
    let choices = choices.iter().map(|choice| {
        let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
        for part in &choice.parts {
            match part {
                Part::Text { text: more, .. } => text.push_str(more),
                Part::Thinking { text: more, .. } => thinking.push_str(more),
                Part::ToolCall {
                    name,
                    arguments,
                    signature,
                    ..
                } => {
                    let args: Value = serde_json::from_str(arguments).unwrap();
                    assert!(args.is_object());
                    let signature = signature.as_ref().map_or(0, |it| it.value.len());
                    calls.push(
                        json!({"name": name, "arguments": hash(arguments), "signature": signature}),
                    );
                }
                _ => {}
            }
        }
        json!({
            "text": {"length": text.len(), "hash": hash(&text)},
            "thinking": {"length": thinking.len(), "hash": hash(&thinking)},
            "calls": calls,
            "finish": format!("{:?}", choice.finish),
        })
    });
    json!({ "choices": choices.collect::<Vec<_>>(), "usage": usage })
}

/// FNV-1a, which stays the same.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What the deltas of a stream with one answer say together.
fn gathered(deltas: &[Delta]) -> (Choice, Option<Usage>) {
    let mut choice = Choice {
        parts: Vec::new(),
        finish: Finish::Pause,
        logprobs: None,
    };
    let mut usage = None;
    for delta in deltas {
        match delta.clone() {
            Delta::Text { text, .. } => choice.parts.push(Part::text(text)),
            Delta::Thinking { text, .. } => choice.parts.push(Part::Thinking {
                text,
                signature: None,
            }),
            Delta::ToolCall {
                id,
                name,
                signature,
                ..
            } => {
                let arguments = String::new();
                choice.parts.push(Part::ToolCall {
                    id,
                    name,
                    arguments,
                    signature,
                    cached: false,
                });
            }
            Delta::Arguments { json, .. } => match choice.parts.last_mut() {
                Some(Part::ToolCall { arguments, .. }) => arguments.push_str(&json),
                other => panic!("arguments of {other:?}"),
            },
            Delta::Finish { finish, .. } => choice.finish = finish,
            Delta::Usage(told) => usage = Some(told),
            _ => {}
        }
    }
    (choice, usage)
}

fn of_fault(fault: &Fault) -> Value {
    let wait = fault.retry_after.map(|wait| wait.as_millis());
    json!({"kind": format!("{:?}", fault.kind), "code": fault.code, "message": hash(&fault.message), "wait_ms": wait})
}

fn made_of(file: &std::path::Path) -> Value {
    let content = fs::read_to_string(file).unwrap();
    if name(file).ends_with(".chunks.txt") {
        let events: Vec<_> = content.lines().filter(|line| !line.is_empty()).collect();
        let deltas = read_events(events.iter().copied());
        assert!(matches!(deltas[0], Delta::Start { .. }) && deltas.last() == Some(&Delta::Done));
        for cut in 0..events.len() {
            assert!(!read_events(events[..cut].iter().copied()).contains(&Delta::Done));
        }
        // Written and read again it is the same.
        let stream = write_events(deltas.clone(), &nobody(), false);
        let again = gathered(&read_events(data(&stream)));
        let (choice, usage) = gathered(&deltas);
        assert_eq!(
            facts(&[again.0], again.1),
            facts(std::slice::from_ref(&choice), usage)
        );
        return facts(&[choice], usage);
    }
    match read_answer(content.as_bytes()) {
        Ok(Answer { choices, usage, .. }) => facts(&choices, usage),
        Err(fault) => {
            let status = fault.kind == crate::canon::Kind::RateLimited;
            let status = if status { 429 } else { 500 };
            let status = http::StatusCode::from_u16(status).unwrap();
            assert_eq!(read_error(status, content.as_bytes()), fault);
            of_fault(&fault)
        }
    }
}

#[test]
fn recordings_say_what_they_said() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gemini");
    for file in recordings().unwrap_or_default() {
        let made = made_of(&file);
        let kept = golden.join(name(&file).replace(".chunks.txt", ".stream.json"));
        if env::var_os("TOLLGATE_BLESS").is_some() {
            fs::create_dir_all(&golden).unwrap();
            fs::write(&kept, format!("{made:#}\n")).unwrap();
        }
        // What was recorded since then has nothing to be held against.
        if let Ok(kept) = fs::read_to_string(&kept) {
            assert_eq!(
                made,
                serde_json::from_str::<Value>(&kept).unwrap(),
                "{}",
                name(&file)
            );
        }
    }
}
