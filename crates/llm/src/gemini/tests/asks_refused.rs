//! What of a request cannot be told to others, and what cannot be asked.

use serde_json::{Value, json};

use super::{asked, hints, refused};

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"contents": [{"parts": [{"text": "hi"}]}]});
    body[field] = value;
    body
}

fn config(value: Value) -> Value {
    with("generationConfig", value)
}

#[test]
fn what_has_no_place_is_named() {
    let part = |part: Value| json!({"contents": [{"parts": [{"text": "hi"}, part]}]});
    for (body, field) in [
        (with("cachedContent", json!("x")), "cachedContent"),
        (with("safetySettings", json!([{}])), "safetySettings"),
        (with("something_new", json!(1)), "somethingNew"),
        (
            with("tools", json!([{"googleSearch": {}}])),
            "tools[0].googleSearch",
        ),
        (
            with("tools", json!([{"code_execution": {}}])),
            "tools[0].codeExecution",
        ),
        (
            with(
                "tools",
                json!([{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]),
            ),
            "tools[0].functionDeclarations[0].behavior",
        ),
        (
            with("toolConfig", json!({"retrievalConfig": {}})),
            "toolConfig.retrievalConfig",
        ),
        (
            config(json!({"responseModalities": ["TEXT", "IMAGE"]})),
            "generationConfig.responseModalities",
        ),
        (
            config(json!({"responseMimeType": "text/x.enum"})),
            "generationConfig.responseMimeType",
        ),
        (
            config(json!({"speechConfig": {}})),
            "generationConfig.speechConfig",
        ),
        (
            config(json!({"mediaResolution": "MEDIA_RESOLUTION_LOW"})),
            "generationConfig.mediaResolution",
        ),
        (config(json!({"logprobs": 3})), "generationConfig.logprobs"),
        (
            config(json!({"thinkingConfig": {"new": 1}})),
            "generationConfig.thinkingConfig.new",
        ),
        (
            part(json!({"executableCode": {"code": "1"}})),
            "contents[0].parts[1].executableCode",
        ),
        (
            part(json!({"fileData": {"fileUri": "gs://x"}, "videoMetadata": {"fps": 1}})),
            "contents[0].parts[1].videoMetadata",
        ),
        (
            with(
                "systemInstruction",
                json!({"parts": [{"fileData": {"fileUri": "gs://x"}}]}),
            ),
            "systemInstruction.parts",
        ),
    ] {
        assert_eq!(asked(&body).losses.fields(), [field], "{body}");
    }
    for (body, hint) in [
        (with("labels", json!({"a": "b"})), "labels"),
        (with("serviceTier", json!("flex")), "serviceTier"),
        (with("store", json!(true)), "store"),
        (
            part(json!({"text": "x", "partMetadata": {}})),
            "contents[0].parts[1].partMetadata",
        ),
        (
            with(
                "toolConfig",
                json!({"functionCallingConfig": {"streamFunctionCallArguments": true}}),
            ),
            "toolConfig.functionCallingConfig.streamFunctionCallArguments",
        ),
    ] {
        let ask = asked(&body);
        assert_eq!(
            (hints(&ask.losses), ask.losses.fields().len()),
            (vec![hint], 0),
            "{body}"
        );
    }
    for nothing in [
        with("cachedContent", json!("")),
        with("safetySettings", json!([])),
        with("labels", Value::Null),
        with("somethingNew", json!(false)),
        config(
            json!({"audioTimestamp": false, "mediaResolution": "MEDIA_RESOLUTION_UNSPECIFIED", "logprobs": 0}),
        ),
        part(json!({"text": "x", "inlineData": null, "thought": false})),
    ] {
        assert!(asked(&nothing).losses.is_empty(), "{nothing}");
    }
}

#[test]
fn what_is_wrong_is_refused_by_its_path() {
    let part = |role: &str, part: Value| json!({"contents": [{"role": role, "parts": [part]}]});
    for (body, field) in [
        (json!({}), "contents"),
        (json!({"contents": []}), "contents"),
        (json!({"contents": "hi"}), "contents"),
        (json!({"contents": ["hi"]}), "contents[0]"),
        (json!({"contents": [{}]}), "contents[0].parts"),
        (
            json!({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}),
            "contents[0].role",
        ),
        (part("user", json!({})), "contents[0].parts[0]"),
        (
            part("user", json!({"text": 1})),
            "contents[0].parts[0].text",
        ),
        (
            part("user", json!({"text": "x", "fileData": {"fileUri": "x"}})),
            "contents[0].parts[0].fileData",
        ),
        (
            part("user", json!({"inlineData": {}})),
            "contents[0].parts[0].inlineData.data",
        ),
        (
            part("user", json!({"functionCall": {"name": "f"}})),
            "contents[0].parts[0].functionCall",
        ),
        (
            part("model", json!({"functionCall": {}})),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            part("model", json!({"functionCall": {"name": "f", "args": []}})),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            part("model", json!({"functionResponse": {"name": "f"}})),
            "contents[0].parts[0].functionResponse",
        ),
        (
            part(
                "user",
                json!({"functionResponse": {"name": "f", "response": "x"}}),
            ),
            "contents[0].parts[0].functionResponse.response",
        ),
        (
            config(json!({"temperature": "hot"})),
            "generationConfig.temperature",
        ),
        (config(json!({"topK": -1})), "generationConfig.topK"),
        (
            config(json!({"candidateCount": 1e12})),
            "generationConfig.candidateCount",
        ),
        (config(json!({"seed": 0.5})), "generationConfig.seed"),
        (
            config(json!({"stopSequences": [1]})),
            "generationConfig.stopSequences[0]",
        ),
        (
            config(json!({"responseSchema": {}, "responseJsonSchema": {}})),
            "generationConfig.responseJsonSchema",
        ),
        (
            config(json!({"thinkingConfig": {"thinkingLevel": "HUGE"}})),
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            with("tools", json!([{"functionDeclarations": [{}]}])),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            with(
                "tools",
                json!([{"functionDeclarations": [{"name": "f", "parameters": []}]}]),
            ),
            "tools[0].functionDeclarations[0].parameters",
        ),
        (
            with(
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "MAYBE"}}),
            ),
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            with(
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}}),
            ),
            "toolConfig.functionCallingConfig.allowedFunctionNames",
        ),
    ] {
        assert_eq!(refused(&body), field, "{body}");
    }
}
