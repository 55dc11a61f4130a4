use serde_json::json;

use super::{ask, media, written};
use crate::{
    Dialect,
    canon::{Part, Role, Signature, Source},
};

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall {
        id: id.to_owned(),
        name: format!("f{id}"),
        arguments: arguments.to_owned(),
        signature: None,
        cached: false,
    }
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult {
        id: id.to_owned(),
        name: String::new(),
        content,
        is_error,
        cached: false,
    }
}

#[test]
fn results_of_several_turns_become_one_content_and_know_their_functions() {
    let ask = ask([
        (Role::User, vec![Part::text("go")]),
        (
            Role::Assistant,
            vec![Part::text(""), call("1", r#"{ "a": 1 }"#), call("2", "")],
        ),
        (
            Role::User,
            vec![result("1", vec![Part::text("x"), Part::text("y")], false)],
        ),
        (Role::User, vec![result("2", vec![], true)]),
        (Role::User, vec![Part::text("and?")]),
    ]);
    let (body, losses) = written(&ask, "gemini-2.5-flash");
    let expected = json!([
        {"parts": [{"text": "go"}], "role": "user"},
        {"parts": [
            {"functionCall": {"id": "1", "name": "f1", "args": {"a": 1}}},
            {"functionCall": {"id": "2", "name": "f2", "args": {}}},
        ], "role": "model"},
        {"parts": [
            {"functionResponse": {"id": "1", "name": "f1", "response": {"result": "x\ny"}}},
            {"functionResponse": {"id": "2", "name": "f2", "response": {"error": ""}}},
            {"text": "and?"},
        ], "role": "user"},
    ]);
    assert_eq!(body["contents"], expected);
    assert!(losses.is_empty());
}

#[test]
fn instructions_alone_are_said_by_the_user() {
    let mut only = ask([(Role::User, vec![Part::text("")])]);
    only.system = vec![Part::text("be brief")];
    let (body, _) = written(&only, "gemini-2.5-flash");
    assert_eq!(
        body,
        json!({"contents": [{"parts": [{"text": "be brief"}], "role": "user"}]})
    );
    let (body, _) = written(&ask([]), "gemini-2.5-flash");
    assert_eq!(body["contents"][0]["parts"].as_array().unwrap().len(), 1);
}

#[test]
fn calls_of_others_are_excused_where_a_signature_is_wanted() {
    let signed = |origin, value: &str| Part::ToolCall {
        id: "2".to_owned(),
        name: "f2".to_owned(),
        arguments: "{}".to_owned(),
        signature: Some(Signature {
            origin,
            value: value.to_owned(),
        }),
        cached: false,
    };
    for (model, parts, expected) in [
        ("gemini-2.5-pro", vec![call("1", "")], vec![None]),
        (
            "gemini-2.5-pro",
            vec![signed(Dialect::Gemini, "s")],
            vec![Some("s")],
        ),
        (
            "gemini-3-pro",
            vec![call("1", ""), call("2", "")],
            vec![Some("skip_thought_signature_validator"), None],
        ),
        (
            "gemini-3-pro",
            vec![signed(Dialect::Gemini, "s"), call("1", "")],
            vec![Some("s"), None],
        ),
        (
            "models/gemini-flash-latest",
            vec![signed(Dialect::Anthropic, "s")],
            vec![Some("skip_thought_signature_validator")],
        ),
    ] {
        let (body, losses) = written(&ask([(Role::Assistant, parts)]), model);
        let parts = body["contents"][0]["parts"].as_array().unwrap();
        let signatures: Vec<_> = parts
            .iter()
            .map(|part| part["thoughtSignature"].as_str())
            .collect();
        assert_eq!(signatures, expected, "{model}");
        assert!(losses.is_empty());
    }
}

#[test]
fn only_googles_own_thoughts_go_back_to_google() {
    let thought = |origin| Part::Thinking {
        text: "hm".to_owned(),
        signature: Some(Signature {
            origin,
            value: "s".to_owned(),
        }),
    };
    let redacted = Part::Redacted(Signature {
        origin: Dialect::Anthropic,
        value: "r".to_owned(),
    });
    let unsigned = Part::Thinking {
        text: "hm".to_owned(),
        signature: None,
    };
    let parts = vec![
        thought(Dialect::Gemini),
        thought(Dialect::Anthropic),
        redacted,
        unsigned,
        Part::Refusal("no".to_owned()),
    ];
    let (body, losses) = written(&ask([(Role::Assistant, parts)]), "gemini-3-pro");
    let expected =
        json!([{"text": "hm", "thought": true, "thoughtSignature": "s"}, {"text": "no"}]);
    assert_eq!(
        (&body["contents"][0]["parts"], losses.is_empty()),
        (&expected, true)
    );
}

#[test]
fn broken_arguments_are_told_as_they_were() {
    let (body, _) = written(
        &ask([(Role::Assistant, vec![call("1", r#"{"a":"#)])]),
        "gemini-2.5-pro",
    );
    let args = &body["contents"][0]["parts"][0]["functionCall"]["args"];
    assert_eq!(args, &json!({"arguments": r#"{"a":"#}));
}

#[test]
fn media_go_inline_or_by_an_address_that_google_reaches() {
    let url = |url: &str| Source::Url(url.to_owned());
    let bytes = || Source::Base64("AAAA".to_owned());
    for (model, source, media_type, expected) in [
        (
            "gemini-2.0-flash",
            bytes(),
            "image/png",
            Some(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
        ),
        ("gemini-2.0-flash", bytes(), "", None),
        (
            "gemini-2.0-flash",
            url("gs://b/f"),
            "image/png",
            Some(json!({"fileData": {"mimeType": "image/png", "fileUri": "gs://b/f"}})),
        ),
        (
            "gemini-2.0-flash",
            url("https://youtu.be/x"),
            "",
            Some(json!({"fileData": {"fileUri": "https://youtu.be/x"}})),
        ),
        (
            "gemini-2.0-flash",
            url("https://example.com/x.png"),
            "",
            None,
        ),
        (
            "gemini-2.5-flash",
            url("https://example.com/x.png"),
            "",
            Some(json!({"fileData": {"fileUri": "https://example.com/x.png"}})),
        ),
        ("gemini-3-flash", url("http://example.com/x.png"), "", None),
        ("gemini-3-flash", url("file:///etc/passwd"), "", None),
    ] {
        let (body, losses) = written(
            &ask([(Role::User, vec![Part::text("x"), media(source, media_type)])]),
            model,
        );
        let part = body["contents"][0]["parts"].get(1);
        assert_eq!(part, expected.as_ref());
        assert_eq!(
            losses.fields(),
            if expected.is_some() {
                &[][..]
            } else {
                &["contents[0]"]
            }
        );
    }
}

#[test]
fn media_of_results_stand_in_them_where_the_model_takes_that() {
    let content = || {
        vec![
            Part::text("x"),
            media(Source::Base64("AAAA".to_owned()), "image/png"),
        ]
    };
    let ask = ask([
        (Role::Assistant, vec![call("1", "")]),
        (
            Role::User,
            vec![result("1", content(), false), Part::text("and?")],
        ),
    ]);
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let (old, _) = written(&ask, "gemini-2.5-pro");
    assert_eq!(old["contents"][1]["parts"][2], inline);
    let (new, _) = written(&ask, "gemini-3-pro");
    assert_eq!(
        new["contents"][1]["parts"][0]["functionResponse"]["parts"][0],
        inline
    );
    assert_eq!(new["contents"][1]["parts"].as_array().unwrap().len(), 2);
}
