use serde_json::{Value, json};

use super::client::provider;

fn tools() -> Value {
    json!([{ "type": "function", "name": "weather", "strict": false, "parameters": {
        "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
    } }])
}

#[tokio::test]
async fn a_stream_has_the_core_order_and_numbers_its_events() {
    let provider = provider().await;
    let body = json!({ "model": "sim", "input": "hello", "stream": true });

    let stream = provider.openai("/v1/responses", &body).await;

    let order = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(stream.order(), order);
    let events = stream.events();
    for (at, (name, data)) in events.iter().enumerate() {
        assert_eq!(
            (&data["type"], &data["sequence_number"]),
            (&json!(name), &json!(at))
        );
    }
    let last = &events[events.len() - 1].1["response"];
    assert_eq!(
        stream.joined("/delta"),
        last["output"][0]["content"][0]["text"]
    );
    assert_eq!(last["usage"]["output_tokens"], 7);
}

#[tokio::test]
async fn reasoning_comes_first_and_calls_come_last() {
    let provider = provider().await;
    let mut body = json!({
        "model": "sim", "input": "aloud", "tools": tools(), "stream": true,
        "reasoning": { "effort": "low", "summary": "auto" }, "include": ["reasoning.encrypted_content"],
    });

    let stream = provider.openai("/v1/responses", &body).await;
    body["stream"] = json!(false);
    let plain = provider.openai("/v1/responses", &body).await.json();

    let order = stream.order();
    let at = |name: &str| order.iter().position(|it| it == name).unwrap();
    assert!(at("response.reasoning_summary_text.delta") < at("response.output_text.delta"));
    assert!(at("response.output_text.done") < at("response.function_call_arguments.delta"));
    let done = stream
        .events()
        .into_iter()
        .find(|(name, _)| name == "response.function_call_arguments.done");
    let done = done.unwrap().1;
    assert_eq!(
        (&done["name"], &done["arguments"]),
        (&json!("weather"), &json!(r#"{"city":"some city"}"#))
    );
    let kinds: Vec<_> = plain["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(
        plain["usage"]["output_tokens_details"]["reasoning_tokens"],
        3
    );
    assert!(plain["output"][0]["encrypted_content"].is_string());
}

#[tokio::test]
async fn items_that_go_back_are_understood_and_unknown_calls_are_refused() {
    let provider = provider().await;
    let output = json!({ "type": "function_call_output", "call_id": "c", "output": "rain" });
    let call =
        json!({ "type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}" });
    let ask = async |input: Value| {
        provider
            .openai("/v1/responses", &json!({ "model": "sim", "input": input }))
            .await
    };

    let answered = ask(json!([{ "role": "user", "content": "x" }, call, output]))
        .await
        .json();
    let refused = ask(json!([output])).await;

    assert_eq!(
        answered["output"][0]["content"][0]["text"],
        "The tools said: weather: rain"
    );
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .body
            .contains("No tool call found for function call output with call_id c.")
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_incomplete() {
    let provider = provider().await;
    let text: String = ["word"; 12].join(" ");
    let body = json!({ "model": "sim", "input": text, "max_output_tokens": 16, "stream": true });

    let stream = provider.openai("/v1/responses", &body).await;

    let (name, last) = stream.events().pop().unwrap();
    assert_eq!(name, "response.incomplete");
    assert_eq!(
        last["response"]["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(last["response"]["usage"]["output_tokens"], 16);
}
