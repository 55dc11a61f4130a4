use serde_json::{Value, json};

use crate::{
    Dialect,
    canon::{Ask, Losses, Media, Part, Role, Signature, Source, Target, Turn},
    openai::chat::{NAMES, write_ask},
};

fn write(turns: Vec<(Role, Vec<Part>)>, system: Vec<Part>) -> (Value, Vec<String>) {
    let mut ask = Ask::new(&NAMES);
    ask.system = system;
    let turns = turns.into_iter().enumerate();
    ask.turns = turns
        .map(|(at, (role, parts))| Turn { role, parts, at })
        .collect();
    let target = Target {
        model: "m",
        max_output: 9,
        version: "",
        legacy_max_tokens: false,
    };
    let mut losses = Losses::default();
    let body = write_ask(&ask, &target, &mut losses);
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    (
        body["messages"].take(),
        losses.all().map(str::to_owned).collect(),
    )
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult {
        id: id.to_owned(),
        name: "f".to_owned(),
        content,
        is_error,
        cached: false,
    }
}

fn image() -> Part {
    Part::Media(Media {
        source: Source::Base64("AAAA".to_owned()),
        media_type: "image/png".to_owned(),
        detail: None,
        name: None,
        cached: false,
    })
}

#[test]
fn instructions_are_one_text_above() {
    let (messages, _) = write(vec![], vec![Part::text("a"), Part::text("b")]);
    assert_eq!(messages, json!([{"role": "system", "content": "a\n\nb"}]));
}

#[test]
fn results_come_first_and_their_images_after_the_last_of_them() {
    let (messages, lost) = write(
        vec![
            (
                Role::User,
                vec![Part::text("x"), result("c1", vec![image()], false)],
            ),
            (
                Role::User,
                vec![result("c2", vec![Part::text("bad")], true)],
            ),
        ],
        vec![],
    );
    let shown = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let found = json!({"type": "text", "text": "What the tools returned:"});
    let expected = json!([
        {"role": "tool", "tool_call_id": "c1", "content": "The result follows."},
        {"role": "user", "content": [found, shown]},
        {"role": "user", "content": "x"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: bad"},
    ]);
    assert_eq!((messages, lost.len()), (expected, 0));

    let (messages, _) = write(
        vec![
            (Role::User, vec![result("c1", vec![image()], false)]),
            (Role::User, vec![result("c2", vec![Part::text("7")], false)]),
            (Role::Assistant, vec![Part::text("done")]),
        ],
        vec![],
    );
    let roles: Vec<&Value> = (0..4).map(|index| &messages[index]["role"]).collect();
    assert_eq!(roles, ["tool", "tool", "user", "assistant"]);
}

#[test]
fn thinking_and_signatures_stay_behind() {
    let signature = Signature {
        origin: Dialect::Anthropic,
        value: "s".to_owned(),
    };
    let thinking = Part::Thinking {
        text: "hm".to_owned(),
        signature: Some(signature.clone()),
    };
    let call = Part::ToolCall {
        id: "c".repeat(50),
        name: "f".to_owned(),
        arguments: String::new(),
        signature: Some(signature.clone()),
        cached: false,
    };
    let (messages, lost) = write(
        vec![
            (
                Role::Assistant,
                vec![thinking.clone(), Part::Redacted(signature), call],
            ),
            (Role::User, vec![result(&"c".repeat(50), vec![], false)]),
            (Role::Assistant, vec![thinking]),
        ],
        vec![],
    );
    let id = messages[0]["tool_calls"][0]["id"].clone();
    let expected = json!([
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": id, "content": ""},
    ]);
    assert_eq!((messages, lost.len()), (expected, 0));
    assert!(id.as_str().unwrap().len() <= 40);
}

#[test]
fn what_a_message_cannot_hold_is_named() {
    let video = Part::Media(Media {
        source: Source::Url("https://h/v".to_owned()),
        media_type: "video/mp4".to_owned(),
        detail: None,
        name: None,
        cached: false,
    });
    let marked = Part::Text {
        text: "a".to_owned(),
        cached: true,
    };
    let (messages, lost) = write(
        vec![
            (Role::User, vec![marked.clone()]),
            (Role::User, vec![video.clone()]),
            (Role::Assistant, vec![Part::text("a"), image()]),
        ],
        vec![marked],
    );
    assert_eq!(messages.as_array().unwrap().len(), 3);
    let expected = [
        "messages[1]",
        "messages[2]",
        "messages.cache_control",
        "messages[0].cache_control",
    ];
    assert_eq!(lost, expected);
}
