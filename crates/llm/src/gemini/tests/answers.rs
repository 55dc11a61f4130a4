use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::nobody;
use crate::{
    canon::{Answer, Ask, Choice, Fault, Finish, Kind, Media, Part, Reasoning, Source},
    gemini::{read_answer, write_answer},
};

fn read(body: &Value) -> Result<Answer, Fault> {
    read_answer(body.to_string().as_bytes())
}

fn write(answer: &Answer, ask: &Ask) -> Value {
    serde_json::from_slice(&write_answer(answer, ask)).unwrap()
}

fn answer(parts: Vec<Part>, finish: Finish) -> Answer {
    Answer {
        id: "r".to_owned(),
        model: "g".to_owned(),
        created: 0,
        choices: vec![Choice {
            parts,
            finish,
            logprobs: None,
        }],
        usage: None,
    }
}

fn call(arguments: &str) -> Part {
    Part::ToolCall {
        id: "1".to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        cached: false,
    }
}

#[test]
fn every_part_of_an_answer_is_read() {
    let read = read(&json!({
        "candidates": [
            {"index": 1, "finishReason": "MAX_TOKENS", "content": {"parts": [{"text": "other"}]}},
            {"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "look"},
                {"text": "", "thoughtSignature": "x"},
                {"inlineData": {"mimeType": "image/png", "data": "_-A"}},
                {"functionCall": {"name": "f", "args": { "a": 1e2 }, "id": "1"}, "thoughtSignature": "s"},
                {"functionCall": {"name": "g"}},
                {"functionCall": {}},
                {"somethingNew": {}},
            ]}, "safetyRatings": []},
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3},
        "modelVersion": "gemini-3", "responseId": "r", "createTime": "2026-05-04T20:01:02.264968Z",
    }))
    .unwrap();
    assert_eq!((&*read.id, &*read.model), ("r", "gemini-3"));
    let usage = Usage {
        input: 5,
        output: 3,
        ..Usage::default()
    };
    assert_eq!(read.usage, Some(usage));
    let [first, second] = &*read.choices else {
        panic!("two choices")
    };
    assert_eq!(
        (&first.finish, &second.finish),
        (&Finish::ToolCalls, &Finish::Length)
    );
    assert_eq!(second.parts, [Part::text("other")]);
    let media = Media {
        source: Source::Base64("/+A=".to_owned()),
        media_type: "image/png".to_owned(),
        detail: None,
        name: None,
        cached: false,
    };
    let thinking = Part::Thinking {
        text: "hm".to_owned(),
        signature: None,
    };
    assert_eq!(
        first.parts[..3],
        [thinking, Part::text("look"), Part::Media(media)]
    );
    let [
        Part::ToolCall {
            id,
            arguments,
            signature,
            ..
        },
        Part::ToolCall {
            id: made,
            arguments: none,
            ..
        },
    ] = &first.parts[3..]
    else {
        panic!("two calls");
    };
    assert_eq!(
        (&**id, &**arguments, &**none),
        ("1", r#"{"a":100.0}"#, "{}")
    );
    assert_eq!(signature.as_ref().unwrap().value, "s");
    assert!(made.starts_with("call_") && made.len() > 20);
}

#[test]
fn arguments_are_passed_as_they_were_written() {
    let body = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"n": 12345678901234567890123}}}]}}]}"#;
    let read = read_answer(body.as_bytes()).unwrap();
    let Part::ToolCall { arguments, .. } = &read.choices[0].parts[0] else {
        panic!("a call")
    };
    assert_eq!(arguments, r#"{"n": 12345678901234567890123}"#);
    assert_eq!(read.choices[0].finish, Finish::ToolCalls);
}

#[test]
fn a_refused_prompt_is_an_answer_without_parts() {
    let blocked = read(&json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}})).unwrap();
    assert_eq!(blocked.choices.len(), 1);
    assert_eq!(
        (&blocked.choices[0].finish, blocked.choices[0].parts.len()),
        (&Finish::Filtered, 0)
    );
    assert_eq!(blocked.usage.unwrap().input, 5);
}

#[test]
fn what_is_no_answer_is_a_fault() {
    for body in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"candidates":[]}"#,
        r#"{"candidates":[{}]}"#,
        r#"{"candidates":7}"#,
        "<html>",
    ] {
        assert_eq!(
            read_answer(body.as_bytes()).unwrap_err().kind,
            Kind::Internal,
            "{body}"
        );
    }
    let malformed = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad call"}]});
    let fault = read(&malformed).unwrap_err();
    assert_eq!(
        (&*fault.code, &*fault.message),
        ("MALFORMED_FUNCTION_CALL", "bad call")
    );
    let error = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "full"}});
    assert_eq!(read(&error).unwrap_err().kind, Kind::Overloaded);
}

#[test]
fn characters_cut_in_two_do_not_spoil_an_answer() {
    let body = br#"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"a\ud83c"},
        {"functionCall":{"name":"f","args":{"x":"\udf0d"}}}]}}]}"#;
    let read = read_answer(body).unwrap();
    let Part::ToolCall { arguments, .. } = &read.choices[0].parts[1] else {
        panic!("a call")
    };
    assert_eq!(
        (&read.choices[0].parts[0], &**arguments),
        (&Part::text("a\u{fffd}"), "{\"x\":\"\u{fffd}\"}")
    );
}

#[test]
fn an_answer_is_written_as_google_would() {
    let mut answer = answer(
        vec![Part::text("hi"), call("{\"a\": 1}")],
        Finish::ToolCalls,
    );
    answer.usage = Some(Usage {
        input: 10,
        cache_read: 5,
        cache_write: 2,
        output: 9,
        reasoning: 4,
        ..Usage::default()
    });
    let expected = json!({
        "candidates": [{
            "content": {"parts": [{"text": "hi"}, {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 17, "cachedContentTokenCount": 5, "candidatesTokenCount": 5, "thoughtsTokenCount": 4,
            "totalTokenCount": 26,
        },
        "modelVersion": "g",
        "responseId": "r",
    });
    assert_eq!(write(&answer, &nobody()), expected);
}

#[test]
fn arguments_that_are_no_object_end_an_answer_as_google_says() {
    for (arguments, finish, reason, parts) in [
        ("", Finish::ToolCalls, "STOP", 1),
        ("{", Finish::ToolCalls, "MALFORMED_FUNCTION_CALL", 0),
        ("[]", Finish::ToolCalls, "MALFORMED_FUNCTION_CALL", 0),
        (r#"{"a":"#, Finish::Length, "MAX_TOKENS", 0),
    ] {
        let body = write(&answer(vec![call(arguments)], finish), &nobody());
        let candidate = &body["candidates"][0];
        let written = candidate["content"]["parts"].as_array().map_or(0, Vec::len);
        assert_eq!(
            (candidate["finishReason"].as_str(), written),
            (Some(reason), parts)
        );
    }
}

#[test]
fn thoughts_that_are_not_wanted_are_not_shown() {
    let thinking = |text: &str| Part::Thinking {
        text: text.to_owned(),
        signature: None,
    };
    let answer = answer(
        vec![thinking("hm"), thinking(""), Part::text("hi")],
        Finish::Stop,
    );
    for (shown, count) in [(None, 3), (Some(true), 3), (Some(false), 2)] {
        let reasoning = Some(Reasoning {
            shown,
            ..Reasoning::default()
        });
        let body = write(
            &answer,
            &Ask {
                reasoning,
                ..nobody()
            },
        );
        assert_eq!(
            body["candidates"][0]["content"]["parts"]
                .as_array()
                .unwrap()
                .len(),
            count
        );
    }
}
