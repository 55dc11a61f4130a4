use serde_json::{Value, json};

use super::{ask, hints, media, target, written};
use crate::{
    canon::{Ask, Effort, Format, Losses, Part, Reasoning, Role, Source, Tool, ToolChoice},
    gemini::{read_count, write_count, write_count_ask},
};

fn hi() -> Ask {
    ask([(Role::User, vec![Part::text("hi")])])
}

#[test]
fn thinking_is_told_as_each_generation_has_it() {
    let effort = |effort| Reasoning {
        effort: Some(effort),
        ..Reasoning::default()
    };
    let budget = |budget| Reasoning {
        budget: Some(budget),
        ..Reasoning::default()
    };
    let both = Reasoning {
        effort: Some(Effort::Low),
        budget: Some(2000),
        shown: Some(true),
    };
    for (model, reasoning, expected, lost) in [
        (
            "gemini-2.5-flash",
            effort(Effort::None),
            json!({"thinkingBudget": 0}),
            "",
        ),
        (
            "gemini-2.5-pro",
            effort(Effort::None),
            json!({"thinkingBudget": 128}),
            "hint",
        ),
        (
            "gemini-2.5-flash-lite",
            budget(9),
            json!({"thinkingBudget": 512}),
            "hint",
        ),
        (
            "gemini-2.5-flash",
            effort(Effort::Adaptive),
            json!({"thinkingBudget": -1}),
            "",
        ),
        (
            "gemini-2.5-flash",
            effort(Effort::Low),
            json!({"thinkingBudget": 1024}),
            "",
        ),
        (
            "gemini-2.5-flash",
            effort(Effort::Medium),
            json!({"thinkingBudget": 8192}),
            "",
        ),
        (
            "gemini-2.5-pro",
            effort(Effort::Max),
            json!({"thinkingBudget": 32768}),
            "",
        ),
        (
            "gemini-2.5-flash",
            budget(1 << 40),
            json!({"thinkingBudget": 24576}),
            "",
        ),
        (
            "gemini-2.5-flash",
            both,
            json!({"thinkingBudget": 2000, "includeThoughts": true}),
            "",
        ),
        (
            "gemini-3-pro-preview",
            both,
            json!({"thinkingLevel": "LOW", "includeThoughts": true}),
            "",
        ),
        (
            "gemini-3-pro-preview",
            effort(Effort::Medium),
            json!({"thinkingLevel": "HIGH"}),
            "hint",
        ),
        (
            "gemini-3.1-pro",
            effort(Effort::Medium),
            json!({"thinkingLevel": "MEDIUM"}),
            "",
        ),
        (
            "gemini-3-flash",
            effort(Effort::Minimal),
            json!({"thinkingLevel": "MINIMAL"}),
            "",
        ),
        (
            "gemini-3-flash",
            effort(Effort::None),
            json!({"thinkingLevel": "MINIMAL"}),
            "hint",
        ),
        (
            "gemini-3-pro",
            effort(Effort::None),
            json!({"thinkingLevel": "LOW"}),
            "hint",
        ),
        (
            "gemini-3-flash",
            effort(Effort::Max),
            json!({"thinkingLevel": "HIGH"}),
            "hint",
        ),
        ("gemini-3-flash", effort(Effort::Adaptive), Value::Null, ""),
        (
            "gemini-flash-latest",
            budget(9000),
            json!({"thinkingLevel": "MEDIUM"}),
            "",
        ),
        (
            "gemini-10.2-flash",
            budget(1000),
            json!({"thinkingLevel": "LOW"}),
            "",
        ),
        (
            "gemini-2.0-flash",
            effort(Effort::High),
            Value::Null,
            "field",
        ),
        ("gemini-1.5-pro", effort(Effort::None), Value::Null, ""),
        (
            "gemini-2.0-flash",
            Reasoning {
                shown: Some(true),
                ..Reasoning::default()
            },
            Value::Null,
            "",
        ),
    ] {
        let ask = Ask {
            reasoning: Some(reasoning),
            ..hi()
        };
        let (body, losses) = written(&ask, model);
        assert_eq!(
            body["generationConfig"]["thinkingConfig"], expected,
            "{model} {reasoning:?}"
        );
        let told = match (losses.fields().is_empty(), losses.is_empty()) {
            (_, true) => "",
            (true, _) => "hint",
            (false, _) => "field",
        };
        assert_eq!(told, lost, "{model} {reasoning:?}");
    }
}

#[test]
fn what_the_target_cannot_be_told_is_named_as_the_caller_has_it() {
    let tool = Tool {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: Some(true),
        cached: true,
    };
    let marked = Part::Text {
        text: "x".to_owned(),
        cached: true,
    };
    let mut detailed = media(Source::Base64("AAAA".to_owned()), "image/png");
    if let Part::Media(media) = &mut detailed {
        (media.detail, media.name) = (Some("low".to_owned()), Some("n".to_owned()));
    }
    let ask = Ask {
        system: vec![marked.clone()],
        user: Some("u".to_owned()),
        parallel_tools: Some(false),
        tools: vec![tool],
        stop: (0..6).map(|stop| stop.to_string()).collect(),
        ..ask([(Role::User, vec![marked, detailed])])
    };
    let (body, losses) = written(&ask, "gemini-2.5-flash");
    assert_eq!(
        losses.fields(),
        ["toolConfig", "generationConfig.stopSequences"]
    );
    assert_eq!(
        hints(&losses),
        [
            "systemInstruction.cache_control",
            "contents[0].cache_control",
            "contents[0].detail",
            "contents[0].name",
            "labels",
            "tools[0].cache_control",
            "tools[0].strict",
        ]
    );
    assert_eq!(
        body["generationConfig"]["stopSequences"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [{"name": "f"}]}])
    );
}

#[test]
fn what_is_at_its_default_is_not_said() {
    let ask = Ask {
        tool_choice: Some(ToolChoice::Auto),
        parallel_tools: Some(false),
        ..hi()
    };
    let (body, losses) = written(&ask, "gemini-2.5-flash");
    assert_eq!(
        body,
        json!({"contents": [{"parts": [{"text": "hi"}], "role": "user"}]})
    );
    assert!(losses.is_empty());
}

#[test]
fn a_schema_takes_its_description_along() {
    let format = |schema| Format::Schema {
        name: Some("n".to_owned()),
        description: Some("d".to_owned()),
        schema,
        strict: Some(true),
    };
    for (schema, expected) in [
        (
            json!({"type": "object"}),
            json!({"type": "object", "description": "d"}),
        ),
        (json!({"description": "own"}), json!({"description": "own"})),
        (json!(true), json!(true)),
    ] {
        let (body, losses) = written(
            &Ask {
                format: format(schema),
                ..hi()
            },
            "gemini-2.5-flash",
        );
        let config = &body["generationConfig"];
        assert_eq!(config["responseJsonSchema"], expected);
        assert_eq!(config["responseMimeType"], "application/json");
        assert!(losses.is_empty());
    }
}

#[test]
fn a_long_seed_stays_the_same_seed() {
    for (seed, expected) in [
        (-5, -5),
        (i64::from(i32::MAX), i32::MAX),
        (1 << 32, 1),
        (i64::MIN, i32::MIN),
    ] {
        let mut ask = hi();
        ask.sampling.seed = Some(seed);
        let (body, _) = written(&ask, "gemini-2.5-flash");
        assert_eq!(body["generationConfig"]["seed"], expected);
    }
}

#[test]
fn a_count_asks_for_the_whole_request() {
    let mut ask = hi();
    ask.system = vec![Part::text("x")];
    for (model, name) in [("g", "models/g"), ("tunedModels/g", "tunedModels/g")] {
        let body = write_count_ask(&ask, &target(model), &mut Losses::default());
        let body: Value = serde_json::from_slice(&body).unwrap();
        let inner = &body["generateContentRequest"];
        assert_eq!(inner["model"], name);
        assert_eq!(inner["systemInstruction"]["parts"][0]["text"], "x");
    }
    assert_eq!(read_count(&write_count(7)), Some(7));
    for nonsense in ["", "{}", r#"{"totalTokens":-1}"#, r#"{"totalTokens":"9"}"#] {
        assert_eq!(read_count(nonsense.as_bytes()), None);
    }
}
