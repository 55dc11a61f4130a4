use serde_json::{Value, json};

use super::{asked, refused};
use crate::{
    canon::{Effort, Format, Media, Part, Reasoning, Role, Source, ToolChoice},
    gemini::{read_ask, read_count_ask},
};

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"contents": [{"parts": [{"text": "hi"}]}]});
    body[field] = value;
    body
}

fn config(value: Value) -> Value {
    with("generationConfig", value)
}

#[test]
fn a_whole_request_is_understood_in_either_spelling() {
    let camel = json!({
        "model": "models/other",
        "systemInstruction": {"role": "system", "parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "what is this?"},
                {"inlineData": {"mimeType": "image/png", "data": "-_A", "displayName": "x.png"}},
                {"fileData": {"fileUri": "gs://b/f"}},
            ]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"b_c": 1}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "look", "response": {"result": "a cat"}}}]},
        ],
        "tools": [{"functionDeclarations": [
            {"name": "look", "description": "looks", "parameters": {"type": "OBJECT", "properties": {"b_c": {"type": "INTEGER"}}}},
            {"name": "go", "parametersJsonSchema": {"type": "object"}, "behavior": "BLOCKING"},
            {"name": "stay"},
        ]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.25, "topK": 40.0, "seed": -7, "presencePenalty": 1, "frequencyPenalty": -1,
            "maxOutputTokens": 100, "stopSequences": ["x"], "candidateCount": 2, "responseLogprobs": true, "logprobs": 3,
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}, "responseModalities": ["TEXT"],
        },
    });
    // Google's own spelling of names, but not of the caller's own things.
    let snake = camel.to_string();
    let names = [
        ("systemInstruction", "system_instruction"),
        ("inlineData", "inline_data"),
        ("mimeType", "mime_type"),
        ("fileData", "file_data"),
        ("fileUri", "file_uri"),
        ("functionCall\"", "function_call\""),
        ("functionResponse\"", "function_response\""),
        ("functionDeclarations", "function_declarations"),
        ("displayName", "display_name"),
        ("parametersJsonSchema", "parameters_json_schema"),
        ("toolConfig", "tool_config"),
        ("functionCallingConfig", "function_calling_config"),
        ("allowedFunctionNames", "allowed_function_names"),
        ("generationConfig", "generation_config"),
        ("topP", "top_p"),
        ("topK", "top_k"),
        ("stopSequences", "stop_sequences"),
        ("maxOutputTokens", "max_output_tokens"),
        ("candidateCount", "candidate_count"),
        ("responseLogprobs", "response_logprobs"),
        ("responseMimeType", "response_mime_type"),
        ("responseJsonSchema", "response_json_schema"),
        ("thinkingConfig", "thinking_config"),
        ("thinkingLevel", "thinking_level"),
        ("includeThoughts", "include_thoughts"),
    ];
    let snake = names
        .iter()
        .fold(snake, |body, (camel, snake)| body.replace(camel, snake));

    let ask = asked(&camel);

    assert_eq!(asked(&serde_json::from_str(&snake).unwrap()), ask);
    assert!(ask.losses.is_empty(), "{:?}", ask.losses);
    assert_eq!(ask.model, "m");
    assert_eq!(ask.system, [Part::text("be brief")]);
    let media = |source, media_type: &str, name: Option<&str>| {
        Part::Media(Media {
            source,
            media_type: media_type.to_owned(),
            detail: None,
            name: name.map(str::to_owned),
            cached: false,
        })
    };
    assert_eq!(
        ask.turns[0].parts[1..],
        [
            media(
                Source::Base64("+/A=".to_owned()),
                "image/png",
                Some("x.png")
            ),
            media(Source::Url("gs://b/f".to_owned()), "", None),
        ]
    );
    let (call, result) = (&ask.turns[1].parts[0], &ask.turns[2].parts[0]);
    let expected = Part::ToolCall {
        id: "call_0".to_owned(),
        name: "look".to_owned(),
        arguments: r#"{"b_c":1}"#.to_owned(),
        signature: None,
        cached: false,
    };
    assert_eq!((ask.turns[1].role, call), (Role::Assistant, &expected));
    let expected = Part::ToolResult {
        id: "call_0".to_owned(),
        name: "look".to_owned(),
        content: vec![Part::text("a cat")],
        is_error: false,
        cached: false,
    };
    assert_eq!((ask.turns[2].role, result), (Role::User, &expected));
    let parameters: Vec<_> = ask
        .tools
        .iter()
        .map(|tool| tool.parameters.clone())
        .collect();
    let schema = json!({"type": "object", "properties": {"b_c": {"type": "integer"}}});
    assert_eq!(
        parameters,
        [Some(schema), Some(json!({"type": "object"})), None]
    );
    assert_eq!(
        ask.tool_choice,
        Some(ToolChoice::Required(vec!["look".to_owned()]))
    );
    assert_eq!(
        (ask.sampling.top_k, ask.sampling.seed),
        (Some(40), Some(-7))
    );
    assert_eq!(
        (ask.choices, ask.logprobs, ask.max_output),
        (2, Some(3), Some(100))
    );
    let reasoning = Reasoning {
        effort: Some(Effort::Low),
        budget: None,
        shown: Some(true),
    };
    assert_eq!(ask.reasoning, Some(reasoning));
    assert!(matches!(ask.format, Format::Schema { .. }));
}

#[test]
fn one_value_stands_for_a_list_of_it() {
    let one = json!({
        "contents": {"parts": {"text": "hi"}},
        "tools": {"functionDeclarations": {"name": "f"}},
    });
    let many = json!({
        "contents": [{"parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
    });
    assert_eq!(asked(&one), asked(&many));
}

#[test]
fn thinking_is_a_level_or_a_budget() {
    let effort = |effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    };
    for (thinking, expected) in [
        (json!({}), None),
        (json!({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}), None),
        (
            json!({"thinkingLevel": "MINIMAL"}),
            Some(effort(Effort::Minimal)),
        ),
        (
            json!({"thinkingLevel": "XHIGH"}),
            Some(effort(Effort::XHigh)),
        ),
        (json!({"thinkingBudget": 0}), Some(effort(Effort::None))),
        (
            json!({"thinkingBudget": -1}),
            Some(effort(Effort::Adaptive)),
        ),
        (
            json!({"thinkingBudget": 9}),
            Some(Reasoning {
                budget: Some(9),
                ..Reasoning::default()
            }),
        ),
        (
            json!({"includeThoughts": false}),
            Some(Reasoning {
                shown: Some(false),
                ..Reasoning::default()
            }),
        ),
    ] {
        let ask = asked(&config(json!({"thinkingConfig": thinking})));
        assert_eq!(ask.reasoning, expected);
    }
    for thinking in [
        json!({"thinkingBudget": 9, "thinkingLevel": "LOW"}),
        json!({"thinkingBudget": -2}),
    ] {
        let field = refused(&config(json!({"thinkingConfig": thinking})));
        assert_eq!(field, "generationConfig.thinkingConfig.thinkingBudget");
    }
}

#[test]
fn tools_are_chosen_by_mode() {
    let names = || vec!["f".to_owned()];
    for (calling, expected) in [
        (json!({}), None),
        (json!({"mode": "MODE_UNSPECIFIED"}), None),
        (
            json!({"mode": "AUTO", "allowedFunctionNames": []}),
            Some(ToolChoice::Auto),
        ),
        (json!({"mode": "auto"}), Some(ToolChoice::Auto)),
        (json!({"mode": "NONE"}), Some(ToolChoice::None)),
        (
            json!({"mode": "ANY"}),
            Some(ToolChoice::Required(Vec::new())),
        ),
        (json!({"mode": "VALIDATED"}), Some(ToolChoice::Auto)),
        (
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
            Some(ToolChoice::Among(names())),
        ),
    ] {
        let ask = asked(&with(
            "toolConfig",
            json!({"functionCallingConfig": calling}),
        ));
        assert_eq!(ask.tool_choice, expected);
    }
}

#[test]
fn formats_are_text_json_or_a_schema() {
    let schema = |schema| Format::Schema {
        name: None,
        description: None,
        schema,
        strict: None,
    };
    for (format, expected) in [
        (json!({"responseMimeType": "text/plain"}), Format::Text),
        (
            json!({"responseMimeType": "application/json"}),
            Format::Json,
        ),
        (
            json!({"responseSchema": {"type": "STRING"}}),
            schema(json!({"type": "string"})),
        ),
        (json!({"responseJsonSchema": true}), schema(json!(true))),
    ] {
        let ask = asked(&config(format));
        assert_eq!((ask.format, ask.losses.is_empty()), (expected, true));
    }
}

#[test]
fn results_say_what_was_found_or_what_failed() {
    for (response, text, is_error) in [
        (json!({"result": "x"}), "x", false),
        (json!({"output": "x"}), "x", false),
        (json!({"output": [1]}), "[1]", false),
        (json!({"error": "x"}), "x", true),
        (json!({"temperature": 20}), r#"{"temperature":20}"#, false),
        (
            json!({"result": "x", "error": "y"}),
            r#"{"result":"x","error":"y"}"#,
            false,
        ),
        (json!({}), "{}", false),
    ] {
        let ask = asked(&json!({"contents": [{"parts": [{"functionResponse": {
            "name": "f", "id": "1", "response": response,
            "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        }}]}]}));
        let Part::ToolResult {
            content,
            is_error: failed,
            ..
        } = &ask.turns[0].parts[0]
        else {
            panic!("no result");
        };
        assert_eq!((&content[0], *failed), (&Part::text(text), is_error));
        assert!(matches!(content[1], Part::Media(_)));
    }
}

#[test]
fn a_count_is_asked_of_contents_or_of_a_whole_request() {
    let request = json!({"contents": [{"parts": [{"text": "hi"}]}], "system_instruction": {"parts": [{"text": "x"}]}});
    let mut named = request.clone();
    named["model"] = json!("models/m");
    let bodies = [request.clone(), json!({"generate_content_request": named})];
    for body in bodies {
        let ask = read_count_ask(body.to_string().as_bytes(), "m").unwrap();
        assert_eq!(ask, asked(&request));
    }
    let mut both = request.clone();
    both["generateContentRequest"] = request;
    assert!(read_count_ask(both.to_string().as_bytes(), "m").is_err());
    assert!(read_count_ask(b"{}", "m").is_err());
}

#[test]
fn a_stream_is_asked_for_by_the_path() {
    let ask = read_ask(br#"{"contents":{"parts":{"text":"x"}}}"#, "m", true).unwrap();
    assert!(ask.stream && ask.stream_usage);
}
