use serde_json::{Value, json};

use crate::{
    Dialect,
    canon::{
        Ask, Effort, Format, Media, Part, Reasoning, Role, Signature, Source, ToolChoice, Turn,
    },
    openai::responses::read_ask,
};

/// A request with these fields besides what it must have.
fn asked(fields: &Value) -> Result<Ask, (String, Value)> {
    let mut body = json!({"model": "m", "input": "Hi"});
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    read_ask(body.to_string().as_bytes()).map_err(|refused| {
        let param = refused.details().get("param").cloned();
        (refused.code().to_owned(), param.unwrap_or_default())
    })
}

fn input(items: Value) -> Ask {
    asked(&json!({"input": items})).unwrap()
}

fn turn(role: Role, at: usize, parts: Vec<Part>) -> Turn {
    Turn { role, parts, at }
}

#[test]
fn a_text_is_the_users_turn() {
    let ask = asked(&json!({"instructions": "Be brief."})).unwrap();
    assert_eq!(ask.turns, [turn(Role::User, 0, vec![Part::text("Hi")])]);
    assert_eq!(ask.system, [Part::text("Be brief.")]);
    assert!(ask.losses.is_empty() && ask.stream_usage && !ask.stream);
}

#[test]
fn items_of_one_answer_are_one_turn_and_so_are_their_results() {
    let call = |id: &str| json!({"type": "function_call", "id": "fc", "call_id": id, "name": "f", "arguments": "{}", "status": "completed"});
    let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": id});
    let said = |text: &str| {
        json!({"type": "message", "id": "msg", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
    };
    let ask = input(json!([
        {"role": "developer", "content": "first"},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "x"}, {"type": "summary_text", "text": "y"}]},
        said("b"), call("1"), said("c"), call("2"),
        output("1"), output("2"),
        said("d"), said("e"),
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "last"}]},
    ]));

    let called = |id: &str| Part::ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature: None,
        cached: false,
    };
    let found = |id: &str| Part::ToolResult {
        id: id.to_owned(),
        name: "f".to_owned(),
        content: vec![Part::text(id)],
        is_error: false,
        cached: false,
    };
    let thought = Part::Thinking {
        text: "x\n\ny".to_owned(),
        signature: None,
    };
    let answer = vec![
        thought,
        Part::text("b"),
        called("1"),
        Part::text("c"),
        called("2"),
    ];
    assert_eq!(
        ask.turns,
        [
            turn(Role::User, 1, vec![Part::text("a")]),
            turn(Role::Assistant, 2, answer),
            turn(Role::User, 7, vec![found("1"), found("2")]),
            turn(Role::Assistant, 9, vec![Part::text("d")]),
            turn(Role::Assistant, 10, vec![Part::text("e")]),
        ]
    );
    assert_eq!(ask.system, [Part::text("first"), Part::text("last")]);
    assert!(ask.losses.is_empty());
}

#[test]
fn openais_own_thinking_is_told_by_its_seal() {
    let item = |summary: Value| json!({"type": "reasoning", "id": "rs", "summary": summary, "encrypted_content": "gAAA"});
    let shown = json!([{"type": "summary_text", "text": "x"}]);
    let ask = input(
        json!([item(json!([])), item(shown), {"type": "reasoning", "id": "rs", "summary": []}]),
    );
    let signature = Signature {
        origin: Dialect::OpenAi,
        value: "gAAA".to_owned(),
    };
    let thinking = Part::Thinking {
        text: "x".to_owned(),
        signature: Some(signature.clone()),
    };
    assert_eq!(ask.turns[0].parts, [Part::Redacted(signature), thinking]);
}

#[test]
fn images_and_files_are_read_where_they_stand() {
    let media = |source, media_type: &str, detail: Option<&str>, name: Option<&str>, cached| {
        Part::Media(Media {
            source,
            media_type: media_type.to_owned(),
            detail: detail.map(str::to_owned),
            name: name.map(str::to_owned),
            cached,
        })
    };
    let data = || Source::Base64("aGk=".to_owned());
    let url = |url: &str| Source::Url(url.to_owned());
    for (part, expected) in [
        (
            json!({"type": "input_image", "image_url": "data:image/PNG;base64,aGk=", "detail": "auto", "file_id": null}),
            media(data(), "image/png", None, None, false),
        ),
        (
            json!({"type": "input_image", "image_url": "https://a/b", "detail": "low", "prompt_cache_breakpoint": {"mode": "explicit"}}),
            media(url("https://a/b"), "", Some("low"), None, true),
        ),
        (
            json!({"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.txt"}),
            media(data(), "application/pdf", None, Some("a.txt"), false),
        ),
        (
            json!({"type": "input_file", "file_data": "aGk=", "filename": "a.TXT"}),
            media(data(), "text/plain", None, Some("a.TXT"), false),
        ),
        (
            json!({"type": "input_file", "file_url": "https://a/b.csv?c=d"}),
            media(url("https://a/b.csv?c=d"), "text/csv", None, None, false),
        ),
        (
            json!({"type": "input_file", "file_url": "https://a/b"}),
            media(url("https://a/b"), "application/pdf", None, None, false),
        ),
        (
            json!({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}),
            Part::Text {
                text: "a".to_owned(),
                cached: true,
            },
        ),
    ] {
        let message = json!({"role": "user", "content": [part]});
        let output = json!({"type": "function_call_output", "call_id": "1", "output": [part]});
        let ask = input(json!([message, output]));
        assert_eq!(
            ask.turns[0].parts,
            std::slice::from_ref(&expected),
            "{part}"
        );
        let Part::ToolResult { content, .. } = &ask.turns[1].parts[0] else {
            panic!("{part}");
        };
        assert_eq!(content, &[expected]);
        assert!(ask.losses.is_empty(), "{part}");
    }
}

#[test]
fn tools_and_their_choice_are_read() {
    let tools = json!([
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true},
        {"type": "function", "name": "g", "parameters": null, "strict": null, "defer_loading": false, "allowed_callers": ["direct"]},
    ]);
    let ask = asked(&json!({"tools": tools})).unwrap();
    assert_eq!(ask.tools[0].parameters, Some(json!({"type": "object"})));
    assert_eq!(
        (ask.tools[0].strict, ask.tools[1].strict),
        (Some(true), None)
    );
    assert!(ask.losses.is_empty());

    let names = || vec!["f".to_owned(), "g".to_owned()];
    let functions = json!([{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]);
    for (choice, expected) in [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required(Vec::new())),
        (
            json!({"type": "function", "name": "f"}),
            ToolChoice::Required(vec!["f".to_owned()]),
        ),
        (
            json!({"type": "allowed_tools", "mode": "auto", "tools": functions}),
            ToolChoice::Among(names()),
        ),
        (
            json!({"type": "allowed_tools", "mode": "required", "tools": functions}),
            ToolChoice::Required(names()),
        ),
    ] {
        let ask = asked(&json!({"tool_choice": choice})).unwrap();
        assert_eq!(ask.tool_choice, Some(expected), "{choice}");
        assert!(ask.losses.is_empty());
    }
}

#[test]
fn the_rest_is_read_field_by_field() {
    let ask = asked(&json!({
        "temperature": 1, "top_p": 0.5, "max_output_tokens": 7, "parallel_tool_calls": false, "stream": true,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": true}, "verbosity": "medium"},
        "reasoning": {"effort": "high", "summary": "auto", "context": "auto"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "top_logprobs": 3,
        "user": "old", "store": false, "background": false, "truncation": "disabled", "metadata": {},
        "stream_options": {"include_obfuscation": false}, "service_tier": "auto", "previous_response_id": null,
    }))
    .unwrap();

    assert_eq!(
        (ask.sampling.temperature, ask.sampling.top_p),
        (Some(1.0), Some(0.5))
    );
    assert_eq!(
        (ask.max_output, ask.parallel_tools, ask.stream),
        (Some(7), Some(false), true)
    );
    assert_eq!((ask.logprobs, ask.user.as_deref()), (Some(3), Some("old")));
    let reasoning = Reasoning {
        effort: Some(Effort::High),
        budget: None,
        shown: Some(true),
    };
    assert_eq!(ask.reasoning, Some(reasoning));
    let format = Format::Schema {
        name: Some("n".to_owned()),
        description: None,
        schema: json!({}),
        strict: Some(true),
    };
    assert_eq!(ask.format, format);
    assert!(ask.losses.is_empty(), "{:?}", ask.losses);
    let json = asked(&json!({"text": {"format": {"type": "json_object"}}})).unwrap();
    assert_eq!(json.format, Format::Json);
}

#[test]
fn what_could_change_the_answer_and_cannot_be_done_is_named() {
    let items = json!([
        {"role": "user", "content": "a", "weight": 1},
        {"role": "user", "content": [{"type": "input_image", "file_id": "f", "detail": "auto"}]},
        {"type": "item_reference", "id": "x"},
        {"id": "x"},
        {"type": "web_search_call", "id": "ws"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}", "namespace": "n"},
        {"role": "assistant", "content": [{"type": "input_image", "image_url": "https://a"}]},
    ]);
    let paths: Vec<_> = [
        "[0].weight",
        "[1].content[0].file_id",
        "[2]",
        "[3]",
        "[4]",
        "[5].namespace",
        "[6].content[0]",
    ]
    .map(|path| format!("input{path}"))
    .into();
    assert_eq!(input(items).losses.fields(), paths);

    for (fields, name) in [
        (json!({"previous_response_id": "r"}), "previous_response_id"),
        (json!({"conversation": "c"}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"store": true}), "store"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"truncation": "auto"}), "truncation"),
        (
            json!({"include": ["file_search_call.results"]}),
            "include[0]",
        ),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0]"),
        (
            json!({"tools": [{"type": "function", "name": "f", "output_schema": {}}]}),
            "tools[0].output_schema",
        ),
        (
            json!({"tool_choice": {"type": "web_search"}}),
            "tool_choice",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}),
            "tool_choice.tools",
        ),
        (json!({"text": {"verbosity": "low"}}), "text.verbosity"),
        (json!({"reasoning": {"mode": "pro"}}), "reasoning.mode"),
        (json!({"stream_options": {"x": 1}}), "stream_options.x"),
        (json!({"anything": 1}), "anything"),
    ] {
        let ask = asked(&fields).unwrap();
        assert_eq!(ask.losses.fields(), [name], "{fields}");
    }
}

#[test]
fn what_only_costs_is_a_hint() {
    for (fields, name) in [
        (json!({"metadata": {"a": "b"}}), "metadata"),
        (json!({"prompt_cache_key": "k"}), "prompt_cache_key"),
        (
            json!({"prompt_cache_retention": "24h"}),
            "prompt_cache_retention",
        ),
        (json!({"service_tier": "flex"}), "service_tier"),
        (json!({"max_tool_calls": 3}), "max_tool_calls"),
        (
            json!({"reasoning": {"summary": "detailed"}}),
            "reasoning.summary",
        ),
        (
            json!({"stream_options": {"include_obfuscation": true}}),
            "stream_options.include_obfuscation",
        ),
        (json!({"user": "a", "safety_identifier": "b"}), "user"),
        (
            json!({"input": [{"role": "assistant", "content": "a", "phase": "commentary"}]}),
            "input[0].phase",
        ),
    ] {
        let losses = asked(&fields).unwrap().losses;
        assert!(losses.fields().is_empty(), "{fields}");
        assert_eq!(losses.all().collect::<Vec<_>>(), [name], "{fields}");
    }
    let ask = asked(&json!({"safety_identifier": "b"})).unwrap();
    assert_eq!(
        (ask.user.as_deref(), ask.losses.is_empty()),
        (Some("b"), true)
    );
}

#[test]
fn what_is_wrong_is_refused_by_its_name() {
    let item = |item: Value| json!({"input": [item]});
    for (fields, param) in [
        (json!({"model": null}), "model"),
        (json!({"model": 7}), "model"),
        (json!({"input": null}), "input"),
        (json!({"input": {}}), "input"),
        (item(json!("a")), "input[0]"),
        (item(json!({"type": 7})), "input[0].type"),
        (
            item(json!({"role": "tool", "content": ""})),
            "input[0].role",
        ),
        (
            item(json!({"type": "message", "content": ""})),
            "input[0].role",
        ),
        (item(json!({"role": "user"})), "input[0].content"),
        (
            item(json!({"role": "user", "content": [{"text": "a"}]})),
            "input[0].content[0].type",
        ),
        (
            item(json!({"role": "user", "content": [{"type": "input_text"}]})),
            "input[0].content[0].text",
        ),
        (
            item(json!({"role": "user", "content": [{"type": "input_image"}]})),
            "input[0].content[0].image_url",
        ),
        (
            item(
                json!({"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,x"}]}),
            ),
            "input[0].content[0].image_url",
        ),
        (
            item(json!({"type": "function_call", "name": "f", "arguments": "{}"})),
            "input[0].call_id",
        ),
        (
            item(json!({"type": "function_call", "call_id": "1", "name": "f", "arguments": {}})),
            "input[0].arguments",
        ),
        (
            item(json!({"type": "function_call_output", "call_id": "1"})),
            "input[0].output",
        ),
        (
            item(json!({"type": "reasoning", "summary": "a"})),
            "input[0].summary",
        ),
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools[0].name",
        ),
        (json!({"tool_choice": "any"}), "tool_choice"),
        (
            json!({"tool_choice": {"type": "function"}}),
            "tool_choice.name",
        ),
        (
            json!({"text": {"format": {"type": "xml"}}}),
            "text.format.type",
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "schema": {}}}}),
            "text.format.name",
        ),
        (
            json!({"reasoning": {"effort": "extreme"}}),
            "reasoning.effort",
        ),
        (json!({"max_output_tokens": -1}), "max_output_tokens"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"top_logprobs": 21}), "top_logprobs"),
        (json!({"stream": 1}), "stream"),
    ] {
        let (code, at) = asked(&fields).unwrap_err();
        assert!(["invalid_value", "missing_required_parameter"].contains(&&*code));
        assert_eq!(at, param, "{fields}");
    }
}
