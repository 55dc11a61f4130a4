use serde_json::{Value, json};

use crate::{
    Dialect,
    canon::{Ask, Carried, Part, Role, Signature, Turn},
    openai::chat::read_ask,
};

fn read(messages: Value) -> Ask {
    try_read(messages).unwrap()
}

fn try_read(messages: Value) -> Result<Ask, tollgate_core::Rejection> {
    read_ask(
        json!({"model": "m", "messages": messages})
            .to_string()
            .as_bytes(),
    )
}

fn call(id: &str, signature: Option<Signature>) -> Part {
    Part::ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature,
        cached: false,
    }
}

#[test]
fn instructions_stand_above_wherever_they_stood() {
    let ask = read(json!([
        {"role": "system", "content": "a"},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
    ]));
    assert_eq!(ask.system, [Part::text("a"), Part::text("b")]);
    let turn = Turn {
        role: Role::User,
        parts: vec![Part::text("hi")],
        at: 1,
    };
    assert_eq!(ask.turns, [turn]);
    assert!(ask.losses.is_empty());
}

#[test]
fn an_answer_may_be_sent_back_as_an_sdk_has_it() {
    let ask = read(json!([
        {"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null, "function_call": null,
         "tool_calls": [{"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ]));
    assert!(ask.losses.is_empty());
    assert_eq!(ask.turns[0].parts, [call("c1", None)]);
    let result = Part::ToolResult {
        id: "c1".to_owned(),
        name: "f".to_owned(),
        content: vec![Part::text("7")],
        is_error: false,
        cached: false,
    };
    assert_eq!(
        (&ask.turns[1].parts, ask.turns[1].role),
        (&vec![result], Role::User)
    );
}

#[test]
fn what_an_id_carries_is_put_where_it_was() {
    let signature = |value: &str| Signature {
        origin: Dialect::Anthropic,
        value: value.to_owned(),
    };
    let carried = |text: Option<&str>, value| Carried {
        signature: Some(signature("own")),
        thinking: vec![(text.map(str::to_owned), signature(value))],
    };
    let first = carried(Some("hm"), "s1").into_id("c1");
    let second = carried(None, "s2").into_id("c2");
    let function = json!({"name": "f", "arguments": "{}"});
    let ask = read(json!([
        {"role": "assistant", "content": "text", "reasoning_content": "hm", "tool_calls": [
            {"id": first, "type": "function", "function": function},
            {"id": second, "type": "function", "function": function},
        ]},
        {"role": "tool", "tool_call_id": second, "content": ""},
    ]));
    let thinking = Part::Thinking {
        text: "hm".to_owned(),
        signature: Some(signature("s1")),
    };
    let expected = [
        thinking,
        Part::text("text"),
        call("c1", Some(signature("own"))),
        Part::Redacted(signature("s2")),
        call("c2", Some(signature("own"))),
    ];
    assert_eq!(ask.turns[0].parts, expected);
    let Part::ToolResult {
        id, name, content, ..
    } = &ask.turns[1].parts[0]
    else {
        panic!("{:?}", ask.turns[1]);
    };
    assert_eq!((&**id, &**name, content.len()), ("c2", "f", 0));
}

#[test]
fn reasoning_of_compatible_servers_is_thinking_without_a_signature() {
    let ask = read(json!([{"role": "assistant", "content": "a", "reasoning": "hm"}]));
    let thinking = Part::Thinking {
        text: "hm".to_owned(),
        signature: None,
    };
    assert_eq!(ask.turns[0].parts, [thinking, Part::text("a")]);
}

#[test]
fn what_a_role_has_no_use_for_is_named() {
    let ask = read(json!([
        {"role": "user", "content": "hi", "name": "Ann", "tool_calls": [], "extra": 1},
        {"role": "function", "name": "f", "content": "7"},
        {"role": "assistant", "content": "x", "audio": {"id": "a"}, "annotations": [{}]},
    ]));
    let expected = [
        "messages[0].extra",
        "messages[0].tool_calls",
        "messages[0].name",
        "messages[1]",
        "messages[2].audio",
    ];
    assert_eq!(ask.losses.fields(), expected);
    assert_eq!(ask.losses.all().last(), Some("messages[2].annotations"));
}

#[test]
fn what_is_wrong_is_refused_by_its_name() {
    for (message, param) in [
        (json!("hi"), "messages[0]"),
        (json!({"content": "hi"}), "messages[0].role"),
        (
            json!({"role": "robot", "content": "hi"}),
            "messages[0].role",
        ),
        (json!({"role": "user"}), "messages[0].content"),
        (json!({"role": "user", "content": 1}), "messages[0].content"),
        (
            json!({"role": "tool", "content": "x"}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"role": "assistant", "tool_calls": {}}),
            "messages[0].tool_calls",
        ),
        (
            json!({"role": "assistant", "tool_calls": [{"type": "function", "function": {}}]}),
            "messages[0].tool_calls[0].id",
        ),
        (
            json!({"role": "assistant", "refusal": 1}),
            "messages[0].refusal",
        ),
    ] {
        let refused = try_read(json!([message])).unwrap_err();
        assert_eq!(refused.details()["param"], param, "{message}");
    }
}
