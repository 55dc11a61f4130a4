use serde_json::{Value, json};

use super::read_ask;
use crate::{
    Dialect,
    canon::{
        Ask, Carried, Effort, Format, Media, Part, Reasoning, Role, Signature, Source, ToolChoice,
    },
};

/// A request with these fields beside those that are required.
fn with(fields: Value) -> Ask {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let Value::Object(fields) = fields else {
        unreachable!()
    };
    body.as_object_mut().unwrap().extend(fields);
    read_ask(body.to_string().as_bytes()).unwrap()
}

/// The parts of one message.
fn parts(role: &str, content: Value) -> (Vec<Part>, Vec<String>) {
    let ask = with(json!({ "messages": [{ "role": role, "content": content }] }));
    let losses = ask.losses.all().map(str::to_owned).collect();
    (ask.turns.into_iter().next().unwrap().parts, losses)
}

fn losses(ask: &Ask) -> (Vec<&str>, Vec<&str>) {
    let fields: Vec<_> = ask.losses.fields().iter().map(AsRef::as_ref).collect();
    let hints = ask.losses.all().skip(fields.len()).collect();
    (fields, hints)
}

#[test]
fn the_plain_fields_are_read() {
    let ask = with(json!({
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "stop_sequences": ["a", "b"],
        "stream": true, "system": "s", "metadata": { "user_id": "u" }, "service_tier": "auto", "speed": null,
        "anthropic_version": "bedrock-2023-05-31",
    }));
    assert_eq!(
        (ask.max_output, ask.sampling.temperature),
        (Some(9), Some(0.5))
    );
    assert_eq!(
        (ask.sampling.top_p, ask.sampling.top_k),
        (Some(0.25), Some(3))
    );
    assert_eq!(
        (ask.stop, ask.stream),
        (vec!["a".to_owned(), "b".to_owned()], true)
    );
    assert_eq!(
        (ask.system, ask.user.as_deref()),
        (vec![Part::text("s")], Some("u"))
    );
    assert!(ask.losses.is_empty());
}

#[test]
fn what_others_cannot_know_is_recorded() {
    let ask = with(json!({
        "container": "c", "context_management": {}, "mcp_servers": [{}], "inference_geo": "eu", "zzz": 1,
        "service_tier": "standard_only", "speed": "fast", "metadata": { "x": 1 }, "diagnostics": {},
    }));
    let (fields, hints) = losses(&ask);
    assert_eq!(
        fields,
        [
            "container",
            "context_management",
            "mcp_servers",
            "inference_geo",
            "zzz"
        ]
    );
    assert_eq!(
        hints,
        ["service_tier", "speed", "metadata.x", "diagnostics"]
    );
}

#[test]
fn each_way_to_think_is_read() {
    let reasoning = |effort, budget, shown| {
        Some(Reasoning {
            effort,
            budget,
            shown,
        })
    };
    let high = || json!({ "effort": "high" });
    for (thinking, config, expected, hints) in [
        (
            json!({ "type": "enabled", "budget_tokens": 2048 }),
            json!({}),
            reasoning(None, Some(2048), None),
            0,
        ),
        (
            json!({ "type": "adaptive" }),
            json!({}),
            reasoning(Some(Effort::Adaptive), None, None),
            0,
        ),
        (
            json!({ "type": "adaptive", "display": "summarized" }),
            high(),
            reasoning(Some(Effort::High), None, Some(true)),
            0,
        ),
        (
            json!({ "type": "adaptive", "display": "omitted" }),
            json!({}),
            reasoning(Some(Effort::Adaptive), None, Some(false)),
            0,
        ),
        (
            json!({ "type": "disabled" }),
            json!({}),
            reasoning(Some(Effort::None), None, None),
            0,
        ),
        (
            json!({ "type": "disabled" }),
            high(),
            reasoning(Some(Effort::None), None, None),
            1,
        ),
        (
            json!({ "type": "between_tools" }),
            json!({}),
            reasoning(Some(Effort::None), None, None),
            1,
        ),
        (
            json!(null),
            high(),
            reasoning(Some(Effort::High), None, None),
            0,
        ),
        (json!(null), json!({ "effort": null }), None, 0),
    ] {
        let ask = with(json!({ "thinking": thinking, "output_config": config }));
        assert_eq!(ask.reasoning, expected, "{thinking} {config}");
        assert_eq!(
            (ask.losses.fields().len(), ask.losses.all().count()),
            (0, hints)
        );
    }
}

#[test]
fn a_schema_is_strict_for_others_if_it_has_no_options() {
    let total = json!({ "type": "object", "properties": { "a": {} }, "required": ["a"] });
    let optional = json!({ "type": "object", "properties": { "a": {} } });
    for (schema, strict) in [(total, Some(true)), (optional, None)] {
        let format = json!({ "type": "json_schema", "schema": schema });
        for field in [
            json!({ "output_config": { "format": format } }),
            json!({ "output_format": format }),
        ] {
            let expected = Format::Schema {
                name: None,
                description: None,
                schema: schema.clone(),
                strict,
            };
            assert_eq!(with(field).format, expected);
        }
    }
}

#[test]
fn tools_and_the_choice_of_them_are_read() {
    let mark = json!({ "type": "ephemeral", "ttl": "1h" });
    let ask = with(json!({
        "tools": [
            { "name": "f", "description": "d", "input_schema": { "type": "object", "properties": { "a": {} } },
              "strict": true, "cache_control": mark, "allowed_callers": ["direct"], "eager_input_streaming": true },
            { "type": "web_search_20250305", "name": "web_search" },
            { "type": "custom", "name": "g", "input_schema": { "type": "object" }, "defer_loading": true },
        ],
        "tool_choice": { "type": "any", "disable_parallel_tool_use": true },
    }));
    assert_eq!(
        (
            &*ask.tools[0].name,
            ask.tools[0].strict,
            ask.tools[0].cached
        ),
        ("f", Some(true), true)
    );
    assert_eq!(
        (&*ask.tools[1].name, &ask.tools[1].parameters),
        ("g", &None)
    );
    assert_eq!(
        (&ask.tool_choice, ask.parallel_tools),
        (&Some(ToolChoice::Required(Vec::new())), Some(false))
    );
    let (fields, hints) = losses(&ask);
    assert_eq!(fields, ["tools[1]", "tools[2].defer_loading"]);
    assert_eq!(
        hints,
        [
            "tools[0].cache_control.ttl",
            "tools[0].eager_input_streaming"
        ]
    );

    for (choice, expected) in [
        (
            json!({ "type": "auto", "disable_parallel_tool_use": false }),
            ToolChoice::Auto,
        ),
        (json!({ "type": "none" }), ToolChoice::None),
        (
            json!({ "type": "tool", "name": "f" }),
            ToolChoice::Required(vec!["f".to_owned()]),
        ),
    ] {
        let ask = with(json!({ "tool_choice": choice }));
        assert_eq!(
            (ask.tool_choice, ask.parallel_tools),
            (Some(expected), None)
        );
    }
}

#[test]
fn instructions_among_the_messages_stand_above_them() {
    let ask = with(json!({
        "system": [{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } }, { "type": "text", "text": "" }],
        "messages": [
            { "role": "user", "content": "hi" },
            { "role": "system", "content": "b" },
            { "role": "assistant", "content": "c" },
        ],
    }));
    let first = Part::Text {
        text: "a".to_owned(),
        cached: true,
    };
    assert_eq!(ask.system, [first, Part::text("b")]);
    let turns: Vec<_> = ask.turns.iter().map(|turn| (turn.role, turn.at)).collect();
    assert_eq!(turns, [(Role::User, 0), (Role::Assistant, 2)]);
    assert_eq!(losses(&ask), (vec![], vec!["messages[1].role"]));
}

#[test]
fn a_mark_on_the_request_stands_for_one_on_its_last_block() {
    let ask = with(json!({ "cache_control": { "type": "ephemeral" } }));
    let marked = Part::Text {
        text: "hi".to_owned(),
        cached: true,
    };
    assert_eq!(ask.turns[0].parts, [marked]);
}

#[test]
fn what_a_tool_found_has_its_name_and_its_own_id() {
    let signature = |origin, value: &str| Signature {
        origin,
        value: value.to_owned(),
    };
    let carried = Carried {
        signature: Some(signature(Dialect::Gemini, "g")),
        thinking: vec![(Some("hm".to_owned()), signature(Dialect::OpenAi, "o"))],
    };
    let id = carried.into_id("call_1");
    let ask = with(json!({ "messages": [
        { "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": "f", "input": { "a": 1 } }] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": id, "content": "found" },
            { "type": "tool_result", "tool_use_id": "x", "is_error": true, "content": [{ "type": "tool_reference" }] },
            { "type": "text", "text": "go on" },
        ] },
    ] }));
    assert_eq!(
        ask.turns[0].parts,
        [
            Part::Thinking {
                text: "hm".to_owned(),
                signature: Some(signature(Dialect::OpenAi, "o"))
            },
            Part::ToolCall {
                id: "call_1".to_owned(),
                name: "f".to_owned(),
                arguments: r#"{"a":1}"#.to_owned(),
                signature: Some(signature(Dialect::Gemini, "g")),
                cached: false,
            },
        ]
    );
    let result = |id: &str, name: &str, content, is_error| Part::ToolResult {
        id: id.to_owned(),
        name: name.to_owned(),
        content,
        is_error,
        cached: false,
    };
    assert_eq!(
        ask.turns[1].parts,
        [
            result("call_1", "f", vec![Part::text("found")], false),
            result("x", "", Vec::new(), true),
            Part::text("go on"),
        ]
    );
    assert_eq!(losses(&ask).0, ["messages[1].content[1].content[0]"]);
}

#[test]
fn thoughts_come_back_with_their_origin() {
    let (parts, losses) = parts(
        "assistant",
        json!([
            { "type": "thinking", "thinking": "a", "signature": "s" },
            { "type": "thinking", "thinking": "b", "signature": "tollgate.gemini.s" },
            { "type": "thinking", "thinking": "c", "signature": "" },
            { "type": "redacted_thinking", "data": "tollgate.openai.s" },
        ]),
    );
    let origins: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Part::Thinking { signature, .. } => signature.as_ref().map(|it| it.origin),
            Part::Redacted(signature) => Some(signature.origin),
            part => panic!("{part:?}"),
        })
        .collect();
    let expected = [
        Some(Dialect::Anthropic),
        Some(Dialect::Gemini),
        None,
        Some(Dialect::OpenAi),
    ];
    assert_eq!((&origins[..], losses.len()), (&expected[..], 0));
}

#[test]
fn documents_have_their_names_and_what_nobody_else_has_is_recorded() {
    let (parts, losses) = parts(
        "user",
        json!([
            { "type": "document", "title": "t", "citations": { "enabled": false },
              "source": { "type": "base64", "media_type": "application/pdf", "data": "AA==" } },
            { "type": "document", "context": "x", "citations": { "enabled": true },
              "source": { "type": "url", "url": "https://a" } },
            { "type": "document", "source": { "type": "content", "content": "x" } },
            { "type": "image", "source": { "type": "file", "file_id": "f" } },
            { "type": "search_result", "content": [] },
            { "type": "text", "text": "a", "citations": [{}] },
        ]),
    );
    let media = |source, name: Option<&str>| {
        Part::Media(Media {
            source,
            media_type: "application/pdf".to_owned(),
            detail: None,
            name: name.map(str::to_owned),
            cached: false,
        })
    };
    let data = media(Source::Base64("AA==".to_owned()), Some("t"));
    let url = media(Source::Url("https://a".to_owned()), None);
    assert_eq!(parts, [data, url, Part::text("a")]);
    let at = |index: usize, rest: &str| format!("messages[0].content[{index}]{rest}");
    assert_eq!(
        losses,
        [
            at(1, ".citations"),
            at(1, ".context"),
            at(2, ".source"),
            at(3, ".source"),
            at(4, ""),
            at(5, ".citations")
        ]
    );
}

#[test]
fn what_is_wrong_is_refused_by_its_name() {
    for (message, param) in [
        (json!({ "content": "x" }), "messages[0].role"),
        (
            json!({ "role": "tool", "content": "x" }),
            "messages[0].role",
        ),
        (json!({ "role": "user" }), "messages[0].content"),
        (
            json!({ "role": "user", "content": [{ "text": "x" }] }),
            "messages[0].content[0].type",
        ),
        (
            json!({ "role": "user", "content": [{ "type": "text" }] }),
            "messages[0].content[0].text",
        ),
        (
            json!({ "role": "user", "content": [{ "type": "tool_use" }] }),
            "messages[0].content[0]",
        ),
        (
            json!({ "role": "assistant", "content": [{ "type": "tool_result" }] }),
            "messages[0].content[0]",
        ),
        (
            json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "a", "name": "f", "input": "{}" }] }),
            "messages[0].content[0].input",
        ),
        (
            json!({ "role": "user", "content": [{ "type": "text", "text": "x", "cache_control": { "type": "x" } }] }),
            "messages[0].content[0].cache_control.type",
        ),
    ] {
        let body = json!({ "model": "m", "messages": [message] });
        let refused = read_ask(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused.details()["param"], param);
    }
}
