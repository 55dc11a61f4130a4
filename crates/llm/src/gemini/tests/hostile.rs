use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{nobody, target};
use crate::{
    canon::{Delta, Losses, ReadStream, WriteStream},
    gemini::{
        StreamReader, StreamWriter, read_answer, read_ask, read_count_ask, read_embed_answer,
        read_embed_ask, read_error, stream_usage, usage, write_ask,
    },
};

/// Names that matter here, so that arbitrary values go deep.
const NAMES: &[&str] = &[
    "contents",
    "parts",
    "role",
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "mimeType",
    "data",
    "fileData",
    "functionCall",
    "functionResponse",
    "name",
    "args",
    "id",
    "response",
    "partialArgs",
    "jsonPath",
    "willContinue",
    "tools",
    "functionDeclarations",
    "parameters",
    "type",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "allowedFunctionNames",
    "generationConfig",
    "generation_config",
    "thinkingConfig",
    "thinkingBudget",
    "temperature",
    "topK",
    "responseSchema",
    "candidates",
    "content",
    "finishReason",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "promptFeedback",
    "blockReason",
    "logprobsResult",
    "chosenCandidates",
    "error",
    "code",
    "details",
    "requests",
    "embedding",
    "values",
    "systemInstruction",
    "generateContentRequest",
];
const TEXTS: &[&str] = &[
    "",
    "user",
    "model",
    "STOP",
    "SAFETY",
    "ANY",
    "AUTO",
    "OBJECT",
    "x",
    "$.a[0]",
    "skip_thought_signature_validator",
    "dG9sbGdhdGUu",
    "-1",
    "call_0",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        let fields = prop::collection::vec((prop::sample::select(NAMES), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let fields = prop::collection::vec((prop::sample::select(NAMES), value()), 0..6);
    fields.prop_map(|fields| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(fields.collect())
    })
}

/// Reads it in every way there is.
fn read_all(body: &[u8]) {
    if let Ok(ask) = read_ask(body, "m", true) {
        for model in ["gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro"] {
            let written = write_ask(&ask, &target(model), &mut Losses::default());
            assert!(serde_json::from_slice::<Value>(&written).is_ok());
        }
    }
    let _ = read_count_ask(body, "m");
    let _ = read_embed_ask(body, "m", true);
    let _ = read_embed_ask(body, "m", false);
    let _ = read_embed_answer(body);
    let _ = read_answer(body);
    let _ = read_error(http::StatusCode::BAD_REQUEST, body);
    let _ = (usage(body), stream_usage(body, None));
    let mut deltas = Vec::new();
    let mut reader = StreamReader::default();
    for _ in 0..2 {
        let _ = reader.read(body, &mut deltas);
    }
    reader.finish(&mut deltas);
    let mut writer = StreamWriter::new(&nobody(), true);
    let mut out = Vec::new();
    let complete = deltas.contains(&Delta::Done);
    deltas
        .into_iter()
        .for_each(|delta| writer.write(delta, &mut out));
    assert!(!complete || serde_json::from_slice::<Vec<Value>>(&out).is_ok());
}

proptest! {
    #[test]
    fn arbitrary_values_are_read_or_refused(value in prop_oneof![value(), object()]) {
        read_all(value.to_string().as_bytes());
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        read_all(&bytes);
    }
}

#[test]
fn depth_size_and_doubles_are_survived() {
    let deep = |open: &str, close: &str| {
        format!(
            r#"{{"contents":{}1{}}}"#,
            open.repeat(10_000),
            close.repeat(10_000)
        )
    };
    let texts = r#"{"text":"x"},"#.repeat(4_000);
    let calls = r#"{"functionCall":{"name":"f"}},"#.repeat(4_000);
    let found = r#"{"functionResponse":{"name":"f"}},"#.repeat(4_000);
    for body in [
        deep("[", "]"),
        deep(r#"{"parts":"#, "}"),
        r#"{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"temperature":1e999}}"#
            .to_owned(),
        r#"{"contents":[{"parts":[{"text":"a"}]}],"contents":[{"parts":[{"text":"b"}]}]}"#
            .to_owned(),
        r#"{"contents":[{"parts":[{"text":"\ud83c"}]}]}"#.to_owned(),
        format!(r#"{{"contents":[{{"parts":[{texts}{{"text":"x"}}]}}]}}"#),
        format!(
            r#"{{"contents":[{{"role":"model","parts":[{calls}{{"text":"x"}}]}},{{"parts":[{found}{{"text":"x"}}]}}]}}"#
        ),
    ] {
        read_all(body.as_bytes());
    }
    let many: String = (0..10_000).map(|at| format!(r#""x{at}":1,"#)).collect();
    let body = format!(r#"{{{many}"contents":[{{"parts":[{{"text":"a"}}]}}]}}"#);
    assert_eq!(
        read_ask(body.as_bytes(), "m", false)
            .unwrap()
            .losses
            .fields()
            .len(),
        32
    );
}
