use serde_json::{Value, json};
use tollgate_core::fact::Usage;

use super::target;
use crate::{
    canon::{EmbedAnswer, Losses},
    gemini::{read_embed_answer, read_embed_ask, write_embed_answer, write_embed_ask},
};

#[test]
fn texts_are_asked_for_alone_or_together_and_always_sent_together() {
    let one = json!({
        "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "RETRIEVAL_QUERY", "output_dimensionality": 8,
    });
    let many = json!({"requests": [{"model": "models/x", "content": {"parts": {"text": "a\nb"}, "role": "user"},
        "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}]});
    for (body, batch) in [(one, false), (many, true)] {
        let ask = read_embed_ask(body.to_string().as_bytes(), "m", batch).unwrap();
        assert!(ask.losses.is_empty());
        let mut losses = Losses::default();
        let sent = write_embed_ask(&ask, &target("g"), &mut losses);
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        let expected = json!({"requests": [{"model": "models/g", "content": {"parts": [{"text": "a\nb"}]},
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}]});
        assert_eq!((sent, losses.is_empty()), (expected, true));
    }
}

#[test]
fn what_texts_do_not_share_is_named() {
    let body = json!({"requests": [
        {"content": {"parts": [{"text": "a"}, {"inlineData": {"data": "AAAA"}}]}, "title": "t"},
        {"content": {"parts": [{"text": "b"}]}, "taskType": "CLUSTERING", "outputDimensionality": 8},
    ]});
    let ask = read_embed_ask(body.to_string().as_bytes(), "m", true).unwrap();
    assert_eq!(ask.inputs, ["a", "b"]);
    assert_eq!(
        ask.losses.fields(),
        [
            "requests[0].content.parts[1].inlineData",
            "requests[0].title",
            "requests[1].outputDimensionality",
            "requests[1].taskType",
        ]
    );
}

#[test]
fn what_is_wrong_is_refused_by_its_path() {
    for (body, batch, field) in [
        (json!({}), true, "requests"),
        (json!({"requests": []}), true, "requests"),
        (json!({"requests": [{}]}), true, "requests[0].content"),
        (
            json!({"requests": [{"content": "a"}]}),
            true,
            "requests[0].content",
        ),
        (json!({}), false, "content"),
        (
            json!({"content": {"parts": [{"text": 1}]}}),
            false,
            "content.parts[0].text",
        ),
        (
            json!({"content": {}, "outputDimensionality": -1}),
            false,
            "outputDimensionality",
        ),
    ] {
        let refused = read_embed_ask(body.to_string().as_bytes(), "m", batch).unwrap_err();
        assert_eq!(refused.details()["param"], field);
    }
}

#[test]
fn vectors_come_back_as_they_were() {
    let usage = Usage {
        input: 5,
        ..Usage::default()
    };
    for (vectors, batch) in [
        (vec![vec![0.1, -2.5e-7]], false),
        (vec![vec![0.1], vec![]], true),
    ] {
        let answer = EmbedAnswer {
            model: String::new(),
            vectors,
            usage: Some(usage),
        };
        let body = write_embed_answer(&answer, batch);
        assert_eq!(read_embed_answer(&body), Ok(answer));
    }
    for body in [
        "",
        "{}",
        "[]",
        r#"{"embeddings":null}"#,
        r#"{"error":{"code":429,"message":"slow"}}"#,
    ] {
        assert!(read_embed_answer(body.as_bytes()).is_err(), "{body}");
    }
}
