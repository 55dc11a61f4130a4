use serde_json::{Value, json};

use super::write_ask;
use crate::{
    Dialect,
    anthropic::NAMES,
    canon::{
        Ask, Effort, Format, Losses, Media, Part, Reasoning, Role, Signature, Source, Target, Tool,
        ToolChoice, Turn,
    },
};

fn ask(change: impl FnOnce(&mut Ask)) -> Ask {
    let mut ask = Ask::new(&NAMES);
    ask.turns.push(turn(Role::User, vec![Part::text("hi")], 0));
    change(&mut ask);
    ask
}

fn turn(role: Role, parts: Vec<Part>, at: usize) -> Turn {
    Turn { role, parts, at }
}

/// What is written, and what is lost: fields, then hints.
fn written(ask: &Ask, model: &str, version: &str) -> (Value, Vec<String>, Vec<String>) {
    let target = Target {
        model,
        max_output: 4096,
        version,
        legacy_max_tokens: false,
    };
    let mut losses = Losses::default();
    let body = serde_json::from_slice(&write_ask(ask, &target, &mut losses)).unwrap();
    let fields: Vec<_> = losses
        .fields()
        .iter()
        .map(|it| it.clone().into_owned())
        .collect();
    let hints = losses.all().skip(fields.len()).map(str::to_owned).collect();
    (body, fields, hints)
}

fn told(ask: &Ask) -> (Value, Vec<String>, Vec<String>) {
    written(ask, "claude-sonnet-4-5", OLD)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        cached: false,
    }
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult {
        id: id.to_owned(),
        name: String::new(),
        content,
        is_error: false,
        cached: false,
    }
}

fn tool(name: &str, parameters: Option<Value>, strict: Option<bool>) -> Tool {
    Tool {
        name: name.to_owned(),
        description: None,
        parameters,
        strict,
        cached: false,
    }
}

const OLD: &str = "2023-06-01";
const NEW: &str = "2026-10-21";

#[test]
fn the_least_request_has_a_limit_of_its_own() {
    let (body, ..) = told(&ask(|_| {}));
    let expected = json!({ "model": "claude-sonnet-4-5", "max_tokens": 4096,
        "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(body, expected);
}

#[test]
fn clouds_want_the_version_in_the_body_and_the_model_elsewhere() {
    let ask = ask(|ask| ask.stream = true);
    let (bedrock, ..) = written(&ask, "m", "bedrock-2023-05-31");
    let (vertex, ..) = written(&ask, "m", "vertex-2023-10-16");
    let messages = &bedrock["messages"];
    assert_eq!(
        bedrock,
        json!({ "anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096, "messages": messages })
    );
    assert_eq!(
        (&vertex["stream"], vertex.get("model")),
        (&json!(true), None)
    );
}

#[test]
fn sampling_is_told_where_it_is_taken_and_is_else_a_hint() {
    let ask = ask(|ask| {
        ask.sampling.temperature = Some(1.5);
        ask.sampling.top_p = Some(0.5);
        ask.sampling.top_k = Some(3);
    });
    let sampled = |model, version| {
        let (body, fields, hints) = written(&ask, model, version);
        assert!(fields.is_empty());
        let all = ["temperature", "top_p", "top_k"].map(|name| body.get(name).cloned());
        (all, hints)
    };
    let [temperature, top_p, top_k] = [json!(1.0), json!(0.5), json!(3)].map(Some);
    let all = [temperature.clone(), top_p, top_k.clone()];
    assert_eq!(
        sampled("claude-3-7-sonnet", OLD),
        (all, vec!["temperature".to_owned()])
    );
    let one = [temperature, None, top_k];
    assert_eq!(
        sampled("claude-sonnet-4-5", OLD),
        (one, vec!["temperature".to_owned(), "top_p".to_owned()])
    );
    let none = || {
        (
            [None, None, None],
            ["temperature", "top_p", "top_k"]
                .map(str::to_owned)
                .to_vec(),
        )
    };
    assert_eq!(sampled("claude-sonnet-4-5", NEW), none());
    assert_eq!(sampled("claude-opus-4-7", OLD), none());
}

#[test]
fn the_default_of_sampling_says_nothing() {
    let ask = ask(|ask| {
        ask.sampling.temperature = Some(1.0);
        ask.sampling.top_p = Some(1.0);
        ask.sampling.presence_penalty = Some(0.0);
    });
    let (body, fields, hints) = written(&ask, "m", NEW);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert!(fields.is_empty() && hints.is_empty());
}

#[test]
fn a_model_that_thinks_takes_no_sampling() {
    let ask = ask(|ask| {
        ask.reasoning = Some(Reasoning {
            effort: Some(Effort::High),
            ..Reasoning::default()
        });
        ask.sampling.temperature = Some(0.0);
        ask.sampling.top_p = Some(0.97);
    });
    let (body, _, hints) = written(&ask, "claude-opus-4-6", OLD);
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({ "type": "adaptive" }), &json!({ "effort": "high" }))
    );
    assert_eq!(
        (body.get("temperature"), &body["top_p"]),
        (None, &json!(0.97))
    );
    assert_eq!(hints, ["temperature"]);
}

#[test]
fn what_anthropic_does_not_know_is_recorded() {
    let ask = ask(|ask| {
        ask.choices = 2;
        ask.logprobs = Some(1);
        ask.sampling.seed = Some(1);
        ask.sampling.presence_penalty = Some(0.5);
        ask.sampling.frequency_penalty = Some(-0.5);
        ask.format = Format::Json;
        ask.stop = vec!["x".to_owned(), "\n".to_owned()];
    });
    let (body, mut fields, _) = told(&ask);
    assert_eq!(body["stop_sequences"], json!(["x"]));
    fields.sort();
    assert_eq!(
        fields,
        [
            "frequency_penalty",
            "logprobs",
            "n",
            "output_config.format",
            "presence_penalty",
            "seed",
            "stop_sequences"
        ]
    );
}

#[test]
fn results_come_first_in_one_message() {
    let ask = ask(|ask| {
        ask.turns = vec![
            turn(
                Role::Assistant,
                vec![call("a:1", "{\"x\":1}"), call("b", "")],
                0,
            ),
            turn(Role::User, vec![result("a:1", vec![Part::text("1")])], 1),
            turn(
                Role::User,
                vec![Part::text("and"), result("b", Vec::new())],
                2,
            ),
            turn(Role::User, vec![Part::text(" ")], 3),
        ];
    });
    let (body, fields, _) = told(&ask);
    assert_eq!(
        body["messages"],
        json!([
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "a_3a1", "name": "f", "input": { "x": 1 } },
                { "type": "tool_use", "id": "b", "name": "f", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "a_3a1", "content": "1" },
                { "type": "tool_result", "tool_use_id": "b" },
                { "type": "text", "text": "and" },
            ] },
        ])
    );
    assert!(fields.is_empty());
}

#[test]
fn empty_texts_and_messages_are_not_sent() {
    let ask = ask(|ask| {
        ask.system = vec![Part::text(" "), Part::text("s")];
        ask.turns
            .push(turn(Role::Assistant, vec![Part::text("\n")], 1));
        ask.turns
            .push(turn(Role::User, vec![Part::text("a"), Part::text("")], 2));
    });
    let (body, ..) = told(&ask);
    assert_eq!(body["system"], "s");
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": "hi" },
            { "role": "user", "content": [{ "type": "text", "text": "a" }] },
        ])
    );
}

#[test]
fn only_its_own_signatures_go_to_the_provider() {
    let signature = |origin| Signature {
        origin,
        value: "s".to_owned(),
    };
    let thought = |signature| Part::Thinking {
        text: "t".to_owned(),
        signature,
    };
    let ask = ask(|ask| {
        let parts = vec![
            thought(Some(signature(Dialect::Anthropic))),
            thought(Some(signature(Dialect::Gemini))),
            thought(None),
            Part::Redacted(signature(Dialect::OpenAi)),
            Part::Redacted(signature(Dialect::Anthropic)),
            Part::Refusal("no".to_owned()),
        ];
        ask.turns.push(turn(Role::Assistant, parts, 1));
    });
    let (body, fields, hints) = told(&ask);
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            { "type": "thinking", "thinking": "t", "signature": "s" },
            { "type": "redacted_thinking", "data": "s" },
            { "type": "text", "text": "no" },
        ])
    );
    assert!(fields.is_empty() && hints.is_empty());
}

#[test]
fn what_cannot_be_said_in_a_turn_is_recorded_by_its_name() {
    let sound = || {
        Part::Media(Media {
            source: Source::Base64("AA==".to_owned()),
            media_type: "audio/wav".to_owned(),
            detail: None,
            name: None,
            cached: false,
        })
    };
    for (role, part) in [
        (Role::User, sound()),
        (Role::Assistant, sound()),
        (Role::Assistant, call("a", "[")),
        (Role::User, call("a", "{}")),
        (Role::User, result("a", vec![sound()])),
        (Role::Assistant, result("a", Vec::new())),
    ] {
        let ask = ask(|ask| ask.turns.push(turn(role, vec![part], 7)));
        assert_eq!(told(&ask).1, ["messages[7]"]);
    }
    let image = Part::Media(Media {
        source: Source::Url("https://a".to_owned()),
        media_type: String::new(),
        detail: Some("low".to_owned()),
        name: None,
        cached: false,
    });
    let ask = ask(|ask| ask.turns.push(turn(Role::User, vec![image], 7)));
    assert_eq!(told(&ask).2, ["messages[7].detail"]);
}

#[test]
fn each_choice_of_tools_has_its_words() {
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let one_by_one = Some(false);
    for (choice, parallel, expected, shown) in [
        (None, None, json!(null), 3),
        (
            None,
            one_by_one,
            json!({ "type": "auto", "disable_parallel_tool_use": true }),
            3,
        ),
        (Some(ToolChoice::Auto), None, json!({ "type": "auto" }), 3),
        (
            Some(ToolChoice::None),
            one_by_one,
            json!({ "type": "none" }),
            3,
        ),
        (
            Some(ToolChoice::Required(names(&[]))),
            None,
            json!({ "type": "any" }),
            3,
        ),
        (
            Some(ToolChoice::Required(names(&["b"]))),
            one_by_one,
            json!({ "type": "tool", "name": "b", "disable_parallel_tool_use": true }),
            3,
        ),
        (
            Some(ToolChoice::Required(names(&["a", "b"]))),
            None,
            json!({ "type": "any" }),
            2,
        ),
        (Some(ToolChoice::Among(names(&["c"]))), None, json!(null), 1),
    ] {
        let ask = ask(|ask| {
            ask.tools = ["a", "b", "c"].map(|name| tool(name, None, None)).to_vec();
            ask.tool_choice = choice.clone();
            ask.parallel_tools = parallel;
        });
        let (body, fields, _) = told(&ask);
        assert_eq!(body["tool_choice"], expected, "{choice:?}");
        assert_eq!(
            (body["tools"].as_array().unwrap().len(), fields.len()),
            (shown, 0)
        );
    }
}

#[test]
fn a_tools_schema_is_an_objects() {
    let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let limited =
        json!({ "type": "object", "properties": { "a": { "type": "string", "maxLength": 3 } } });
    let mut closed = open.clone();
    closed["additionalProperties"] = json!(false);
    let none = json!({ "type": "object", "properties": {} });
    let untyped = json!({ "properties": {} });
    for (model, parameters, strict, schema, is_strict, lost) in [
        ("claude-sonnet-4-5", None, Some(true), &none, false, (0, 0)),
        ("claude-sonnet-4-5", Some(&open), None, &open, false, (0, 0)),
        (
            "claude-sonnet-4-5",
            Some(&open),
            Some(true),
            &closed,
            true,
            (0, 0),
        ),
        (
            "claude-sonnet-4-5",
            Some(&limited),
            Some(true),
            &limited,
            false,
            (0, 1),
        ),
        (
            "claude-3-7-sonnet",
            Some(&open),
            Some(true),
            &open,
            false,
            (0, 1),
        ),
        (
            "claude-sonnet-4-5",
            Some(&untyped),
            None,
            &json!({ "properties": {}, "type": "object" }),
            false,
            (0, 0),
        ),
        (
            "claude-sonnet-4-5",
            Some(&json!(true)),
            None,
            &none,
            false,
            (1, 0),
        ),
    ] {
        let ask = ask(|ask| ask.tools.push(tool("f", parameters.cloned(), strict)));
        let (body, fields, hints) = written(&ask, model, OLD);
        let tool = &body["tools"][0];
        assert_eq!(
            (&tool["input_schema"], tool["strict"] == true),
            (schema, is_strict)
        );
        assert_eq!((fields.len(), hints.len()), lost);
    }
}

#[test]
fn a_format_is_closed_and_what_it_loses_is_recorded() {
    let format = |schema: Value| Format::Schema {
        name: Some("n".to_owned()),
        description: Some("d".to_owned()),
        schema,
        strict: None,
    };
    let schema = json!({ "type": "object", "properties": { "a": { "type": "number" } } });
    let asked = ask(|ask| ask.format = format(schema.clone()));
    let (body, fields, _) = told(&asked);
    let mut closed = schema.clone();
    closed["additionalProperties"] = json!(false);
    closed["description"] = json!("d");
    let expected = json!({ "format": { "type": "json_schema", "schema": closed } });
    assert_eq!((&body["output_config"], fields.len()), (&expected, 0));

    let (body, fields, _) = written(&asked, "claude-3-7-sonnet", OLD);
    assert_eq!((body.get("output_config"), fields.len()), (None, 1));

    let limited = ask(|ask| ask.format = format(json!({ "type": "number", "minimum": 1 })));
    assert_eq!(told(&limited).1, ["output_config.format"]);
}

#[test]
fn marks_for_the_cache_stay_where_they_were() {
    let marked = |text: &str| Part::Text {
        text: text.to_owned(),
        cached: true,
    };
    let ask = ask(|ask| {
        ask.system = vec![marked("s")];
        ask.turns = vec![turn(Role::User, vec![marked("u")], 0)];
        ask.tools = vec![Tool {
            cached: true,
            ..tool("f", None, None)
        }];
    });
    let (body, ..) = told(&ask);
    let mark = json!({ "type": "ephemeral" });
    assert_eq!(body["system"][0]["cache_control"], mark);
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], mark);
    assert_eq!(body["tools"][0]["cache_control"], mark);
}
