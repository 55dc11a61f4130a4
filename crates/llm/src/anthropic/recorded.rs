//! Replays what was recorded of the provider. The recordings are no part of this repository: without them, at the path
//! in `TOLLGATE_SHARED_DATA` or beside the workspace, these tests pass over. What must come out is in `tests/golden`;
//! `TOLLGATE_GOLDEN=write` writes it anew.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    NAMES, StreamReader, StreamWriter, read_answer, round_trip::joined, stream_usage, usage,
};
use crate::canon::{Answer, Ask, Delta, Part, ReadStream, WriteStream};

/// A recording, and its name here.
struct Recording {
    name: String,
    text: String,
}

impl Recording {
    fn all() -> Vec<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let beside = || root.join("../shared/data");
        let data = env::var_os("TOLLGATE_SHARED_DATA").map_or_else(beside, PathBuf::from);
        let mut all = Vec::new();
        for (source, short) in [
            ("vercel-ai/anthropic", "vercel"),
            ("anthropic-sdk-python", "sdk"),
        ] {
            let Ok(files) = fs::read_dir(data.join("streams").join(source)) else {
                eprintln!("passed over: there are no recordings of {source} here");
                continue;
            };
            for file in files {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).unwrap();
                all.push(Self {
                    name: format!("{short}-{name}"),
                    text,
                });
            }
        }
        all
    }

    /// The streams in it; some are recordings of several requests.
    fn streams(&self) -> Vec<Vec<&str>> {
        let events = self.text.lines().filter_map(|line| {
            let data = line.strip_prefix("data: ").unwrap_or(line).trim();
            data.starts_with("{\"type\":").then_some(data)
        });
        let mut streams: Vec<Vec<&str>> = Vec::new();
        for event in events {
            if event.contains("\"message_start\"") {
                streams.push(Vec::new());
            }
            streams.last_mut().unwrap().push(event);
        }
        streams
    }

    fn is_answer(&self) -> bool {
        self.name.ends_with(".json")
    }

    fn check(&self, facts: &Value) {
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/anthropic");
        let path = golden.join(format!("{}.json", self.name.trim_end_matches(".json")));
        if env::var("TOLLGATE_GOLDEN").is_ok_and(|it| it == "write") {
            fs::create_dir_all(&golden).unwrap();
            fs::write(&path, format!("{facts:#}\n")).unwrap();
        }
        let expected =
            fs::read_to_string(&path).unwrap_or_else(|_| panic!("no golden for {}", self.name));
        assert_eq!(
            facts,
            &serde_json::from_str::<Value>(&expected).unwrap(),
            "{}",
            self.name
        );
    }
}

fn deltas(events: &[&str]) -> Vec<Delta> {
    let (mut reader, mut out) = (StreamReader::default(), Vec::new());
    for event in events {
        reader.read(event.as_bytes(), &mut out).unwrap();
    }
    reader.finish(&mut out);
    out
}

/// What an answer says, without its words.
fn facts(answer: &Answer) -> Value {
    let choice = &answer.choices[0];
    let parts = choice.parts.iter().map(|part| match part {
        Part::Text { text, .. } => json!({ "text": print(text) }),
        Part::Refusal(text) => json!({ "refusal": print(text) }),
        Part::Thinking { text, signature } => {
            json!({ "thinking": print(text), "signature": signature.as_ref().map(|it| print(&it.value)) })
        }
        Part::Redacted(signature) => json!({ "redacted": print(&signature.value) }),
        Part::ToolCall { name, arguments, .. } => {
            let read = serde_json::from_str::<Value>(arguments).unwrap();
            assert!(read.is_object());
            json!({ "call": name, "arguments": print(&read.to_string()) })
        }
        part => panic!("{part:?}"),
    });
    json!({
        "model": answer.model,
        "parts": parts.collect::<Vec<_>>(),
        "finish": format!("{:?}", choice.finish),
        "usage": answer.usage,
    })
}

/// A text's length and FNV-1a digest.
fn print(text: &str) -> String {
    let digest = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{} {digest:016x}", text.len())
}

#[test]
fn recorded_answers_and_streams_say_what_they_said() {
    for recording in Recording::all() {
        if recording.is_answer() {
            if recording.text.contains("\"stop_reason\"") {
                let answer = read_answer(recording.text.as_bytes()).unwrap();
                assert_eq!(answer.usage, usage(recording.text.as_bytes()));
                recording.check(&facts(&answer));
            }
            continue;
        }
        let streams = recording.streams();
        let facts = streams.iter().map(|events| {
            let deltas = deltas(events);
            assert_eq!(deltas.last(), Some(&Delta::Done), "{}", recording.name);
            let answer = joined(deltas);
            let metered = events
                .iter()
                .fold(None, |so_far, event| stream_usage(event.as_bytes(), so_far));
            assert_eq!(answer.usage, metered, "{}", recording.name);
            facts(&answer)
        });
        recording.check(&Value::from_iter(facts));
    }
}

#[test]
fn a_recorded_stream_that_is_written_again_says_the_same() {
    for recording in Recording::all().iter().filter(|it| !it.is_answer()) {
        for events in recording.streams() {
            let first = deltas(&events);
            let mut writer = StreamWriter::new(&Ask::new(&NAMES));
            let mut out = Vec::new();
            for delta in first.clone() {
                writer.write(delta, &mut out);
            }
            let text = String::from_utf8(out).unwrap();
            let again: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .collect();
            let (mut first, mut again) = (joined(first), joined(deltas(&again)));
            // An explanation comes as text to those who ask in this form.
            for answer in [&mut first, &mut again] {
                answer.choices[0].parts.iter_mut().for_each(|part| {
                    if let Part::Refusal(text) = part {
                        *part = Part::text(std::mem::take(text));
                    }
                });
            }
            assert_eq!(first, again, "{}", recording.name);
        }
    }
}

#[test]
fn a_recorded_stream_that_is_cut_never_ends() {
    for recording in Recording::all().iter().filter(|it| !it.is_answer()) {
        for events in recording.streams() {
            for cut in 0..events.len() {
                let deltas = deltas(&events[..cut]);
                assert!(
                    !deltas.contains(&Delta::Done),
                    "{} at {cut}",
                    recording.name
                );
                let said = events[..cut]
                    .iter()
                    .any(|event| event.contains("\"stop_reason\":\""));
                let finished = deltas.iter().any(|it| matches!(it, Delta::Finish { .. }));
                assert_eq!(finished, said, "{} at {cut}", recording.name);
            }
        }
    }
}
