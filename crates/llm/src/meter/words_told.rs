//! Which words of a provider's are its bill, and which are not.

use bytes::Bytes;
use tollgate_core::{Trail, fact::Usage};

use super::Meter;
use crate::dialect::Api;

const STREAM: Api = Api::StreamGenerate { array: false };

/// What is known after these events of a stream.
fn after(api: Api, events: &[&str]) -> Usage {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), api, Bytes::from("a word ".repeat(30)));
    for event in events {
        meter.read(event.as_bytes());
    }
    drop(meter);
    trail.get().expect("it is known at any moment")
}

const TEXT: &str = r#"{"choices":[{"delta":{"content":"some"}}]}"#;
const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const TOLD: &str = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
const DONE: &str = "[DONE]";

const START: &str =
    r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":2}}}"#;
const BLOCK: &str = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"some"}}"#;
const DELTA: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

const PIECE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"some"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}"#;
const LAST: &str = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}"#;
const BARE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#;

const COMPLETED: &str =
    r#"{"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":2}}}"#;
const SOME: &str = r#"{"type":"response.output_text.delta","delta":"some"}"#;

#[test]
fn what_is_told_at_the_end_is_the_bill() {
    for (api, events) in [
        (Api::Chat, &[TEXT, FINISH, TOLD, DONE][..]),
        (Api::Chat, &[TEXT, FINISH, TOLD]),
        (Api::Chat, &[TEXT, TOLD, FINISH, DONE]),
        (Api::Chat, &[TEXT, FINISH, TOLD, TOLD, DONE]),
        (Api::Messages, &[START, BLOCK, DELTA, STOP]),
        (STREAM, &[PIECE, LAST]),
        (STREAM, &[LAST]),
        (Api::Responses, &[SOME, COMPLETED]),
    ] {
        let expected = Usage {
            input: 9,
            output: 2,
            ..Usage::default()
        };
        assert_eq!(after(api, events), expected, "{events:?}");
    }
}

#[test]
fn what_is_told_early_or_makes_no_sense_is_an_estimate_and_not_under_what_was_told() {
    let beside = r#"{"choices":[{"delta":{"content":"some"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    let less = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    let less_input = r#"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2}}"#;
    let zero = r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    let no_input = r#"{"choices":[],"usage":{"completion_tokens":2}}"#;
    let negative = r#"{"choices":[],"usage":{"prompt_tokens":-9,"completion_tokens":-2}}"#;
    let huge =
        r#"{"choices":[],"usage":{"prompt_tokens":18446744073709551615,"completion_tokens":2}}"#;
    let past = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1e30}}"#;
    let absurd = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1000000000001}}"#;
    let delta_without = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
    let delta_input = r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":9}}"#;
    let delta_less = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":1}}"#;
    let failed =
        r#"{"type":"response.failed","response":{"usage":{"input_tokens":9,"output_tokens":2}}}"#;
    for (api, events) in [
        (Api::Chat, &[TEXT, FINISH, DONE][..]),
        (Api::Chat, &[TEXT, FINISH, TOLD, TEXT, DONE]),
        (Api::Chat, &[TOLD, TEXT, FINISH, DONE]),
        (Api::Chat, &[beside, FINISH, DONE]),
        (Api::Chat, &[TEXT, TOLD]),
        (Api::Chat, &[TEXT, TOLD, less, DONE]),
        (Api::Chat, &[TEXT, TOLD, less_input, DONE]),
        (Api::Chat, &[TEXT, FINISH, zero, DONE]),
        (Api::Chat, &[TEXT, FINISH, no_input, DONE]),
        (Api::Chat, &[TEXT, FINISH, negative, DONE]),
        (Api::Chat, &[TEXT, FINISH, huge, DONE]),
        (Api::Chat, &[TEXT, FINISH, past, DONE]),
        (Api::Chat, &[TEXT, FINISH, absurd, DONE]),
        (Api::Chat, &[TEXT, FINISH, absurd, TOLD, DONE]),
        (Api::Messages, &[START, BLOCK, STOP]),
        (Api::Messages, &[START, BLOCK, delta_without, STOP]),
        (Api::Messages, &[START, BLOCK, delta_input, STOP]),
        (Api::Messages, &[START, BLOCK, delta_less, STOP]),
        (Api::Messages, &[START, BLOCK, DELTA]),
        (STREAM, &[PIECE]),
        (STREAM, &[PIECE, BARE]),
        (Api::Responses, &[SOME, failed]),
        (Api::Responses, &[SOME, SOME]),
    ] {
        let usage = after(api, events);
        assert!(usage.estimated, "{events:?}: {usage:?}");
        assert!(
            usage.total_input() >= 9 && usage.output >= 2 && usage.total() < 10_000,
            "{events:?}: {usage:?}"
        );
    }
}

#[test]
fn a_whole_answer_is_taken_at_its_word_unless_it_makes_no_sense() {
    let told = |api, input, output, answer: &str| {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), api, Bytes::from("a word ".repeat(30)));
        let usage = Usage {
            input,
            output,
            ..Usage::default()
        };
        meter.tell_whole(usage, answer.as_bytes());
        drop(meter);
        trail.get::<Usage>().unwrap().estimated
    };
    let answer = r#"{"choices":[{"message":{"content":"some"}}]}"#;
    let empty = r#"{"choices":[{"message":{"content":""}}]}"#;
    assert!(!told(Api::Chat, 9, 2, answer));
    assert!(!told(Api::Chat, 9, 0, empty));
    assert!(told(Api::Chat, 9, 0, answer));
    assert!(told(Api::Chat, 0, 2, answer));
    assert!(told(Api::Chat, u64::MAX, 2, answer));
    assert!(!told(Api::Embeddings, 9, 0, "{}"));
    assert!(told(Api::Embeddings, 0, 0, "{}"));
}

#[test]
fn more_than_is_allowed_is_known_by_parts_with_words_and_by_what_is_told() {
    let exceeds = |api, events: &[&str]| {
        let mut meter = Meter::new(Trail::new(), api, Bytes::new()).allowed(Some(2));
        for event in events {
            meter.read(event.as_bytes());
        }
        meter.exceeds()
    };
    let empty = r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
    let thought = r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#;
    let running = r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
    assert!(!exceeds(Api::Chat, &[TEXT, empty, empty, thought, TEXT]));
    assert!(exceeds(Api::Chat, &[TEXT, TEXT, TEXT]));
    assert!(exceeds(Api::Chat, &[running]));
    assert!(!exceeds(Api::Messages, &[START, BLOCK, BLOCK]));
    assert!(exceeds(Api::Messages, &[START, BLOCK, BLOCK, BLOCK]));
    assert!(!exceeds(STREAM, &[PIECE, PIECE, PIECE]));
    assert!(!exceeds(Api::Chat, &[TEXT, TEXT, FINISH]));
}
