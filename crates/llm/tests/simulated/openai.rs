use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::client::{provider, serve};
use tollgate_llm::simulated::Simulated;

const CHAT: &str = "/v1/chat/completions";

fn tools() -> Value {
    let tool = |name| {
        json!({ "type": "function", "function": { "name": name, "parameters": {
            "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
        } } })
    };
    json!([tool("weather"), tool("time")])
}

fn asking(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_plain_answer_and_ends_with_usage_and_done() {
    let provider = provider().await;
    let mut body = asking("sim", "hello there");
    let plain = provider.openai(CHAT, &body).await.json();
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });

    let stream = provider.openai(CHAT, &body).await;

    let events = stream.events();
    assert_eq!(
        plain["choices"][0]["message"]["content"],
        "This is a simulated answer to: hello there"
    );
    assert_eq!(
        stream.joined("/choices/0/delta/content"),
        plain["choices"][0]["message"]["content"]
    );
    assert_eq!(events[0].1["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[events.len() - 1].1, "[DONE]");
    assert_eq!(events[events.len() - 2].1["usage"], plain["usage"]);
    assert_eq!(events[events.len() - 2].1["choices"], json!([]));
    assert_eq!(
        events[events.len() - 3].1["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(
        events[..events.len() - 2]
            .iter()
            .all(|(name, data)| name.is_empty() && data["usage"].is_null())
    );
}

#[tokio::test]
async fn tools_are_called_in_pieces_and_their_results_are_cited() {
    let provider = provider().await;
    let mut body = asking("sim", "both, please");
    body["tools"] = tools();
    body["stream"] = json!(true);

    let stream = provider.openai(CHAT, &body).await.events();

    let calls: Vec<_> = stream
        .iter()
        .filter_map(|(_, it)| it["choices"][0]["delta"]["tool_calls"].get(0))
        .collect();
    for index in 0..2 {
        let mine: Vec<_> = calls.iter().filter(|call| call["index"] == index).collect();
        assert!(mine[0]["id"].is_string() && mine[0]["function"]["name"].is_string());
        assert!(mine[1..].iter().all(|call| call["id"].is_null()));
        let arguments: String = mine
            .iter()
            .filter_map(|it| it["function"]["arguments"].as_str())
            .collect();
        assert_eq!(arguments, r#"{"city":"some city"}"#);
    }
    let finish = &stream[stream.len() - 2].1["choices"][0]["finish_reason"];
    assert_eq!(finish, "tool_calls");

    body["stream"] = json!(false);
    body["parallel_tool_calls"] = json!(false);
    let message = provider.openai(CHAT, &body).await.json()["choices"][0]["message"].clone();
    assert_eq!(message["tool_calls"].as_array().unwrap().len(), 1);
    let id = message["tool_calls"][0]["id"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "rain" }));
    let said = provider.openai(CHAT, &body).await.json();
    assert_eq!(
        said["choices"][0]["message"]["content"],
        "The tools said: weather: rain"
    );
}

#[tokio::test]
async fn limits_stop_sequences_choices_and_probabilities_are_kept_to() {
    let provider = provider().await;
    let cases = [
        (json!({ "max_tokens": 3 }), "This is a ", "length"),
        (json!({ "stop": ["simul"] }), "This is a ", "stop"),
        (
            json!({ "n": 2, "logprobs": true, "top_logprobs": 1 }),
            "This is a simulated answer to: x",
            "stop",
        ),
    ];
    for (settings, text, finish) in cases {
        let mut body = asking("sim", "x");
        body.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());

        let answer = provider.openai(CHAT, &body).await.json();

        let choices = answer["choices"].as_array().unwrap();
        assert_eq!(choices.len() as u64, settings["n"].as_u64().unwrap_or(1));
        assert_eq!(choices[0]["message"]["content"], text);
        assert_eq!(choices[0]["finish_reason"], finish);
        let words = choices[0]["logprobs"]["content"]
            .as_array()
            .map_or(0, Vec::len);
        assert_eq!(words, if settings["logprobs"] == true { 7 } else { 0 });
    }
}

#[tokio::test]
async fn what_openai_refuses_is_refused_in_its_words() {
    let provider = provider().await;
    let user = json!({ "role": "user", "content": "x" });
    let called = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } }
    ] });
    let result = json!({ "role": "tool", "tool_call_id": "other", "content": "x" });
    let open = json!({ "type": "object", "properties": {} });
    let cases = [
        (
            json!({ "messages": [user] }),
            "you must provide a model parameter",
        ),
        (json!({ "model": "m" }), "'messages'"),
        (
            json!({ "model": "m", "messages": [user, result] }),
            "must be a response to a preceeding message",
        ),
        (
            json!({ "model": "m", "messages": [user, called, user] }),
            "did not have response messages: c",
        ),
        (
            json!({ "model": "m", "messages": [user], "temperature": 3 }),
            "'temperature'",
        ),
        (
            json!({ "model": "o3", "messages": [user], "max_tokens": 3 }),
            "max_completion_tokens",
        ),
        (
            json!({ "model": "m", "messages": [user], "tool_choice": "auto" }),
            "'tools' are specified",
        ),
        (
            json!({ "model": "m", "messages": [user], "stream_options": {} }),
            "'stream' is enabled",
        ),
        (
            json!({ "model": "m", "messages": [user], "response_format": { "type": "json_object" } }),
            "'json'",
        ),
        (
            json!({ "model": "m", "messages": [user], "response_format": {
                "type": "json_schema", "json_schema": { "name": "n", "strict": true, "schema": open },
            } }),
            "'additionalProperties'",
        ),
    ];
    for (body, words) in cases {
        let answer = provider.openai(CHAT, &body).await;

        let error = answer.json()["error"].clone();
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        assert!(
            ["message", "type", "param", "code"]
                .iter()
                .all(|it| error.get(it).is_some())
        );
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn an_echo_tells_what_was_understood() {
    let provider = provider().await;
    let body = json!({
        "model": "sim-echo", "temperature": 0.5, "max_tokens": 1, "stop": "end", "seed": 7, "tools": tools(),
        "messages": [
            { "role": "developer", "content": "brief" },
            { "role": "user", "content": [
                { "type": "text", "text": "look" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
            ] },
        ],
    });

    let answer = provider.openai(CHAT, &body).await.json();

    let echo: Value =
        serde_json::from_str(answer["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(echo["system"], json!(["brief"]));
    assert_eq!(
        echo["params"],
        json!({ "max_tokens": 1, "seed": 7, "stop": ["end"], "temperature": 0.5 })
    );
    assert_eq!(
        echo["messages"][0]["parts"],
        json!([
            { "text": "look" },
            { "image": { "media_type": "image/png", "bytes": 3 } },
            { "image": { "url": "https://example.com/a.png" } },
        ])
    );
    assert_eq!(echo["tools"][1]["name"], "time");
}

#[tokio::test]
async fn embeddings_are_the_same_as_floats_and_in_base64() {
    let provider = provider().await;
    let ask = async |input: Value, format: &str| {
        let body =
            json!({ "model": "e", "input": input, "encoding_format": format, "dimensions": 3 });
        provider.openai("/v1/embeddings", &body).await.json()
    };

    let floats = ask(json!(["a", "b"]), "float").await;
    let base64 = ask(json!("b"), "base64").await;
    let tokens = ask(json!([[1, 2, 3], [4]]), "float").await;

    let bytes = BASE64_STANDARD
        .decode(base64["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let numbers: Vec<_> = bytes
        .chunks(4)
        .map(|it| f32::from_le_bytes(it.try_into().unwrap()))
        .collect();
    let floats: Vec<f32> = serde_json::from_value(floats["data"][1]["embedding"].clone()).unwrap();
    assert_eq!(floats, numbers);
    assert_eq!(floats.len(), 3);
    assert_eq!(tokens["usage"]["prompt_tokens"], 4);
}

#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_headers() {
    let provider = provider().await;
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("authorization", "Bearer k")], "/data/0/id"),
        (
            &[("x-api-key", "k"), ("anthropic-version", "2023-06-01")],
            "/first_id",
        ),
        (&[("x-goog-api-key", "k")], "/models/0/baseModelId"),
    ];
    for (headers, pointer) in cases {
        let list = provider.send("GET", "/v1/models", headers, "").await.json();
        let one = provider
            .send("GET", "/v1/models/sim-large", headers, "")
            .await;
        let none = provider.send("GET", "/v1/models/other", headers, "").await;

        assert_eq!(list.pointer(pointer).unwrap(), "sim-small");
        assert_eq!((one.status, none.status), (200, 404));
    }
}

#[tokio::test]
async fn azure_takes_its_own_key_and_names_the_model_behind_the_deployment() {
    let provider = serve(Simulated::new().key("azure-key")).await;
    let path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21";
    let mut body = asking("", "x");
    body["stream"] = json!(true);

    let refused = provider
        .send("POST", path, &[("api-key", "other")], &body.to_string())
        .await;
    let stream = provider
        .send("POST", path, &[("api-key", "azure-key")], &body.to_string())
        .await;

    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (401, &json!("401"))
    );
    let events = stream.events();
    assert_eq!(
        (&events[0].1["choices"], &events[0].1["id"]),
        (&json!([]), &json!(""))
    );
    assert_eq!(events[1].1["model"], "mine-2026-08-01");
    assert_eq!(provider.own.bill().requests[0].model, "mine");
}

#[tokio::test]
async fn a_key_must_be_there_by_the_providers_own_header() {
    let provider = provider().await;
    let claude = ("anthropic-version", "2023-06-01");
    let cases: [(&str, &[(&str, &str)], u16, &str); 5] = [
        (CHAT, &[], 401, "invalid_api_key"),
        (CHAT, &[("x-goog-api-key", "k")], 404, "NOT_FOUND"),
        ("/v1/messages", &[claude], 401, "authentication_error"),
        (
            "/v1/messages",
            &[claude, ("authorization", "Bearer k")],
            400,
            "model: Field required",
        ),
        (
            "/v1beta/models/m:generateContent",
            &[("authorization", "Basic k")],
            403,
            "PERMISSION_DENIED",
        ),
    ];
    for (path, headers, status, words) in cases {
        let answer = provider.send("POST", path, headers, "{}").await;

        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(words), "{path}: {}", answer.body);
    }
}
