use bytes::Bytes;
use tollgate_core::{Trail, fact::Usage};

use super::{Event, Meter};
use crate::dialect::Api;

#[test]
fn the_providers_word_counts_and_its_last_one() {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::from("x".repeat(300)));
    assert_eq!(
        meter.read(br#"{"choices":[{"delta":{"content":"a \"usage\""}}],"usage":null}"#),
        Event::Part
    );
    assert_eq!(
        meter.read(br#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#),
        Event::Part
    );
    assert_eq!(
        meter.read(br#"{"choices":[],"usage": {"prompt_tokens":9,"completion_tokens":2}}"#),
        Event::Usage
    );
    assert_eq!(meter.read(b"[DONE]"), Event::Done);
    drop(meter);

    let expected = Usage {
        input: 9,
        output: 2,
        ..Usage::default()
    };
    assert_eq!(trail.get::<Usage>(), Some(expected));
}

#[test]
fn without_a_word_the_estimate_is_not_under_what_was_streamed() {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::from("x".repeat(300)));
    for _ in 0..5 {
        meter.read(br#"{"choices":[{"delta":{"content":"twelve \"bytes"}}]}"#);
    }
    drop(meter);

    let usage = trail.get::<Usage>().unwrap();
    assert!(usage.estimated);
    assert!(usage.input > 30 && usage.output >= 20, "{usage:?}");
}

/// What is known when a stream is left after these events.
fn left_after(api: Api, events: &[&str]) -> Usage {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), api, Bytes::from("x".repeat(30)));
    for event in events {
        meter.read(event.as_bytes());
    }
    drop(meter);
    trail.get().unwrap()
}

#[test]
fn all_that_one_event_gives_is_counted() {
    let call = r#"{"index":0,"function":{"name":"n","arguments":"{\"a\":\"twenty tokens or some more of them in here\"}"}}"#;
    let one = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call}]}}}}]}}"#);
    let two = format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{call},{call}]}}}}]}}"#);
    let (one, two) = (
        left_after(Api::Chat, &[&one]),
        left_after(Api::Chat, &[&two]),
    );
    assert!(two.output >= one.output * 2 - 1, "{one:?} {two:?}");
}

#[test]
fn an_event_without_news_of_the_usage_does_not_take_back_what_was_counted() {
    let text = "what was given after the provider told";
    let part = format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}}}]}}"#);
    let told = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":9}}"#;
    let usage = left_after(Api::Generate, &[told, &part, &part]);
    assert_eq!((usage.input, usage.estimated), (9, true));
    assert!(usage.output >= 12, "{usage:?}");

    let start =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#;
    let part = format!(r#"{{"type":"content_block_delta","delta":{{"text":"{text}"}}}}"#);
    let usage = left_after(Api::Messages, &[start, &part, &part, r#"{"type":"new"}"#]);
    assert_eq!((usage.input, usage.estimated), (9, true));
    assert!(usage.output >= 12, "{usage:?}");
}

#[test]
fn a_usage_without_counts_is_as_good_as_none() {
    for usage in [
        "{}",
        r#"{"completion_tokens":-5}"#,
        r#"{"completion_tokens":"5"}"#,
    ] {
        let data = format!(r#"{{"choices":[],"usage":{usage}}}"#);
        let part = r#"{"choices":[{"delta":{"content":"some"},"finish_reason":"stop"}]}"#;
        let usage = left_after(Api::Chat, &[part, &data, "[DONE]"]);
        assert!(
            usage.estimated && usage.output > 0 && usage.input > 0,
            "{data}"
        );
    }
    let zero = r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(left_after(Api::Chat, &[zero, "[DONE]"]), Usage::default());
}

#[test]
fn an_event_is_known_by_its_own_type_wherever_it_stands() {
    let mut meter = Meter::new(Trail::new(), Api::Messages, Bytes::new());
    for (event, expected) in [
        (
            r#"{"error":{"type":"overloaded_error"},"type":"error"}"#,
            Event::Error,
        ),
        (r#"{ "type" : "error"}"#, Event::Error),
        (
            r#"{"delta":{"type":"text_delta","text":"error"},"type":"content_block_delta"}"#,
            Event::Part,
        ),
        (r#"{"type":"message_stop"}"#, Event::Done),
        ("{", Event::Part),
    ] {
        assert_eq!(meter.read(event.as_bytes()), expected, "{event}");
    }
}

#[test]
fn what_is_free_costs_nothing_whatever_the_fee() {
    let fee = "1".parse().unwrap();
    let price = crate::Price::new(crate::Rates::default()).per_request(fee);
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::new()).priced(Some(price));
    meter.waive();
    drop(meter);
    assert_eq!(trail.get::<tollgate_core::fact::Cost>().unwrap().nanos(), 0);
}

#[test]
fn a_word_before_the_end_of_a_stream_is_an_estimate_if_the_end_never_comes() {
    let gemini = br#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"#;
    let claude =
        br#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#;
    for (api, event) in [(Api::Generate, &gemini[..]), (Api::Messages, claude)] {
        let trail = Trail::new();
        let mut meter = Meter::new(trail.clone(), api, Bytes::new());
        meter.read(event);
        drop(meter);

        let usage = trail.get::<Usage>().unwrap();
        assert_eq!((usage.input, usage.output), (3, 1));
        assert!(usage.estimated, "{api:?}");
    }
}

#[test]
fn a_running_total_that_lags_behind_is_not_under_what_was_streamed() {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), Api::Generate, Bytes::new());
    for _ in 0..3 {
        meter.read(br#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"#);
    }
    drop(meter);

    assert_eq!(trail.get::<Usage>().unwrap().output, 3);
}

#[test]
fn usage_that_cannot_be_read_is_an_estimate_and_the_extra_chunk_is_known() {
    let trail = Trail::new();
    let mut meter = Meter::new(trail.clone(), Api::Chat, Bytes::from("x".repeat(30)));
    meter.read(br#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#);
    assert_eq!(
        meter.read(br#"{"choices":[],"usage":{"prompt_tokens":"9","completion_tokens":-2}}"#),
        Event::Usage
    );
    meter.read(b"[DONE]");
    drop(meter);

    let usage = trail.get::<Usage>().unwrap();
    assert!(
        usage.estimated && usage.input > 0 && usage.output > 0,
        "{usage:?}"
    );
}

#[test]
fn an_error_in_mid_stream_is_told_from_a_part() {
    let mut meter = Meter::new(Trail::new(), Api::Chat, Bytes::new());
    assert_eq!(
        meter.read(br#"{"error":{"message":"overloaded"}}"#),
        Event::Error
    );
    assert_eq!(meter.read(br#"{"choices":[],"error":null}"#), Event::Part);
}
