use serde_json::{Value, json};

use super::client::provider;

fn path(model: &str, verb: &str) -> String {
    format!("/v1beta/models/{model}:{verb}")
}

fn asking(text: &str) -> Value {
    json!({ "contents": [{ "role": "user", "parts": [{ "text": text }] }] })
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

fn tools() -> Value {
    let tool = |name| {
        json!({ "name": name, "parameters": {
            "type": "OBJECT", "properties": { "city": { "type": "STRING" } }, "required": ["city"],
        } })
    };
    json!([{ "functionDeclarations": [tool("weather"), tool("time")] }])
}

#[tokio::test]
async fn both_streams_say_the_same_as_a_plain_answer_and_count_up() {
    let provider = provider().await;
    let body = with(
        asking("hello"),
        json!({ "generation_config": { "thinking_config": { "include_thoughts": true } } }),
    );

    let plain = provider
        .gemini(&path("m", "generateContent"), &body)
        .await
        .json();
    let events = provider
        .gemini("/v1/models/m:streamGenerateContent?alt=sse", &body)
        .await
        .events();
    let array = provider
        .gemini(&path("m", "streamGenerateContent"), &body)
        .await
        .json();

    let chunks: Vec<Value> = events.into_iter().map(|(_, data)| data).collect();
    assert_eq!(array.as_array().unwrap().len(), chunks.len());
    for chunks in [&chunks, array.as_array().unwrap()] {
        let said = |thought: bool| {
            let parts = chunks
                .iter()
                .map(|it| &it["candidates"][0]["content"]["parts"][0]);
            let mine = parts.filter(|part| (part["thought"] == true) == thought);
            mine.filter_map(|part| part["text"].as_str())
                .collect::<String>()
        };
        assert_eq!(said(true), "Thinking about: hello");
        assert_eq!(
            said(false),
            plain["candidates"][0]["content"]["parts"][1]["text"]
        );
        let last = &chunks[chunks.len() - 1];
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"], plain["usageMetadata"]);
        let totals = chunks
            .iter()
            .map(|it| it["usageMetadata"]["totalTokenCount"].as_u64().unwrap());
        assert!(totals.is_sorted());
    }
    let usage = &plain["usageMetadata"];
    let sum = [
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ]
    .map(|it| usage[it].as_u64().unwrap());
    assert_eq!(usage["totalTokenCount"], sum.iter().sum::<u64>());
}

#[tokio::test]
async fn signatures_must_come_back_to_the_newer_models_alone() {
    let provider = provider().await;
    let mut body = with(asking("both"), json!({ "tools": tools() }));
    let called = provider
        .gemini(&path("gemini-3-sim", "generateContent"), &body)
        .await
        .json();
    let content = called["candidates"][0]["content"].clone();
    assert_eq!(called["candidates"][0]["finishReason"], "STOP");
    assert!(content["parts"][0]["thoughtSignature"].is_string());
    assert!(content["parts"][1]["thoughtSignature"].is_null());
    let response =
        |name| json!({ "function_response": { "name": name, "response": { "result": "fine" } } });
    let contents = body["contents"].as_array_mut().unwrap();
    contents.push(content);
    contents.push(json!({ "role": "user", "parts": [response("weather"), response("time")] }));

    let good = provider
        .gemini(&path("gemini-3-sim", "generateContent"), &body)
        .await;
    body["contents"][1]["parts"][0]
        .as_object_mut()
        .unwrap()
        .remove("thoughtSignature");
    let lost = provider
        .gemini(&path("gemini-3-sim", "generateContent"), &body)
        .await;
    let older = provider
        .gemini(&path("gemini-2.0", "generateContent"), &body)
        .await;
    body["contents"][1]["parts"][0]["thoughtSignature"] = json!("skip_thought_signature_validator");
    let skipped = provider
        .gemini(&path("gemini-3-sim", "generateContent"), &body)
        .await;

    let text = &good.json()["candidates"][0]["content"]["parts"][0]["text"];
    assert_eq!(text, "The tools said: weather: fine; time: fine");
    assert!(lost.status == 400 && lost.body.contains("missing a thought_signature"));
    assert_eq!((older.status, skipped.status), (200, 200));
}

#[tokio::test]
async fn what_google_refuses_is_refused_in_its_words() {
    let provider = provider().await;
    let hello = asking("x");
    let declared = |parameters: Value| {
        with(
            hello.clone(),
            json!({ "tools": [{ "functionDeclarations": [{ "name": "f", "parameters": parameters }] }] }),
        )
    };
    let configured = |config: Value| with(hello.clone(), json!({ "generationConfig": config }));
    let call =
        json!({ "role": "model", "parts": [{ "functionCall": { "name": "f", "args": {} } }] });
    let answered = |response: Value| {
        let answer = json!({ "role": "user", "parts": [{ "functionResponse": { "name": "f", "response": response } }] });
        json!({ "contents": [hello["contents"][0], call, answer] })
    };
    let cases = [
        (
            with(hello.clone(), json!({ "messages": [] })),
            "Unknown name \\\"messages\\\": Cannot find field.",
        ),
        (
            configured(json!({ "max_tokens": 1 })),
            "Unknown name \\\"max_tokens\\\" at 'generation_config': Cannot find field.",
        ),
        (
            declared(
                json!({ "type": "object", "$schema": "x", "properties": { "a": { "$ref": "#/b" } } }),
            ),
            "Unknown name \\\"$ref\\\" at 'tools[0].function_declarations[0].parameters.properties[0].value'",
        ),
        (
            declared(json!({ "type": "object", "additionalProperties": false })),
            "Unknown name \\\"additionalProperties\\\"",
        ),
        (
            configured(json!({ "temperature": 3 })),
            "temperature must be in the range [0, 2]",
        ),
        (
            configured(
                json!({ "thinkingConfig": { "thinkingBudget": 1, "thinkingLevel": "LOW" } }),
            ),
            "only one of thinking budget",
        ),
        (json!({ "contents": [] }), "contents is not specified"),
        (
            json!({ "contents": [{ "role": "user", "parts": [] }] }),
            "contents.parts must not be empty",
        ),
        (
            json!({ "contents": [{ "role": "assistant", "parts": [{ "text": "x" }] }] }),
            "Please use a valid role",
        ),
        (answered(json!("text")), "function_response.response"),
        (
            json!({ "contents": [hello["contents"][0], call, hello["contents"][0]] }),
            "number of function response parts",
        ),
    ];
    for (body, words) in cases {
        let answer = provider.gemini(&path("m", "generateContent"), &body).await;

        let error = answer.json()["error"].clone();
        assert_eq!(
            (answer.status, &error["code"]),
            (400, &json!(400)),
            "{body}"
        );
        assert_eq!(error["status"], "INVALID_ARGUMENT");
        assert!(answer.body.contains(words), "{} for {words}", answer.body);
    }
    assert_eq!(
        provider
            .gemini(
                &path("m", "generateContent"),
                &answered(json!({ "result": 1 }))
            )
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn tokens_are_counted_and_texts_embedded_alone_and_together() {
    let provider = provider().await;
    let request = |text: &str| json!({ "content": { "parts": [{ "text": text }] }, "outputDimensionality": 2 });
    let body = json!({ "requests": [request("a"), request("b")] });

    let count = provider
        .gemini(&path("m", "countTokens"), &asking("12345678"))
        .await
        .json();
    let many = provider
        .gemini(&path("m", "batchEmbedContents"), &body)
        .await
        .json();
    let one = provider
        .gemini(&path("m", "embedContent"), &request("b"))
        .await
        .json();

    assert_eq!(count["totalTokens"], 5);
    assert_eq!(many["embeddings"][1], one["embedding"]);
    assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_blocked_question_is_answered_without_candidates() {
    let provider = provider().await;

    let answer = provider
        .gemini(&path("m-blocked", "generateContent"), &asking("x"))
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["promptFeedback"]["blockReason"],
        "PROHIBITED_CONTENT"
    );
    assert!(answer.json()["candidates"].is_null());
}
