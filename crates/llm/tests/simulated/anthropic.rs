use serde_json::{Value, json};

use super::client::provider;

const OLD: &str = "2023-06-01";
const NEW: &str = "2026-10-21";

fn asking(text: &str) -> Value {
    json!({ "model": "sim", "max_tokens": 2000, "messages": [{ "role": "user", "content": text }] })
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

fn tools() -> Value {
    let tool = |name| {
        json!({ "name": name, "input_schema": {
            "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
        } })
    };
    json!([tool("weather"), tool("time")])
}

#[tokio::test]
async fn a_stream_has_the_order_of_events_and_says_the_same_as_a_plain_answer() {
    let provider = provider().await;
    let more = json!({ "tools": tools(), "thinking": { "type": "adaptive" } });
    let body = with(asking("aloud weather and time"), more);

    let plain = provider.anthropic(NEW, &body).await.json();
    let stream = provider
        .anthropic(NEW, &with(body, json!({ "stream": true })))
        .await;

    let block = [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ];
    let mut order = vec![
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
    ];
    (0..3).for_each(|_| order.extend(block));
    order.extend(["message_delta", "message_stop"]);
    assert_eq!(stream.order(), order);
    let events = stream.events();
    assert!(events.iter().all(|(name, data)| data["type"] == *name));
    assert_eq!(events[0].1["message"]["content"], json!([]));
    assert_eq!(
        stream.joined("/delta/thinking"),
        plain["content"][0]["thinking"]
    );
    // The words of "Thinking about: aloud weather and time".
    let thought = plain["usage"]["output_tokens_details"].clone();
    assert_eq!(thought, json!({ "thinking_tokens": 6 }));
    assert_eq!(
        stream.joined("/delta/signature"),
        plain["content"][0]["signature"]
    );
    assert_eq!(stream.joined("/delta/text"), plain["content"][1]["text"]);
    assert_eq!(
        stream.joined("/delta/partial_json"),
        r#"{"city":"some city"}{"city":"some city"}"#
    );
    let end = &events[events.len() - 2].1;
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(
        end["usage"]["output_tokens"],
        plain["usage"]["output_tokens"]
    );
}

#[tokio::test]
async fn a_conversation_with_tools_and_thoughts_goes_on() {
    let provider = provider().await;
    let more =
        json!({ "tools": tools(), "thinking": { "type": "enabled", "budget_tokens": 1024 } });
    let mut body = with(asking("both"), more);
    let content = provider.anthropic(NEW, &body).await.json()["content"].clone();
    let result = |at: usize| json!({ "type": "tool_result", "tool_use_id": content[at]["id"], "content": [{ "type": "text", "text": "fine" }] });
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": content }));
    messages.push(json!({ "role": "user", "content": [result(1), result(2)] }));

    let good = provider.anthropic(NEW, &body).await;
    body["messages"][1]["content"][0]["signature"] = json!("other");
    let changed = provider.anthropic(NEW, &body).await;
    body["messages"][1]["content"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    let lost = provider.anthropic(NEW, &body).await;

    assert_eq!(
        good.json()["content"][1]["text"],
        "The tools said: weather: fine; time: fine"
    );
    assert!(
        changed
            .body
            .contains("Invalid `signature` in `thinking` block")
    );
    assert!(
        lost.body
            .contains("Expected `thinking` or `redacted_thinking`, but found `tool_use`")
    );
}

#[tokio::test]
async fn what_anthropic_refuses_is_refused_in_its_words() {
    let provider = provider().await;
    let hello = asking("x");
    let talk = |messages: Value| with(hello.clone(), json!({ "messages": messages }));
    let user = json!({ "role": "user", "content": "x" });
    let called = json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "f", "input": {} }] });
    let result = |id: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": "x" });
    let format = |schema: Value| {
        with(
            hello.clone(),
            json!({ "output_config": { "format": { "type": "json_schema", "schema": schema } } }),
        )
    };
    let cases = [
        (
            NEW,
            json!({ "model": "sim", "messages": [user] }),
            "max_tokens: Field required",
        ),
        (
            NEW,
            with(hello.clone(), json!({ "temperature": 1 })),
            "temperature: Extra inputs are not permitted",
        ),
        (
            NEW,
            with(hello.clone(), json!({ "top_k": 5 })),
            "top_k: Extra inputs are not permitted",
        ),
        (
            OLD,
            with(hello.clone(), json!({ "temperature": 1.5 })),
            "temperature: range: 0..1",
        ),
        (
            OLD,
            with(hello.clone(), json!({ "seed": 1 })),
            "seed: Extra inputs are not permitted",
        ),
        (
            OLD,
            with(hello.clone(), json!({ "stop_sequences": [" "] })),
            "non-whitespace",
        ),
        (
            OLD,
            talk(json!([{ "role": "user", "content": [{ "type": "text", "text": "" }] }])),
            "text content blocks must be non-empty",
        ),
        (
            OLD,
            talk(json!([{ "role": "assistant", "content": "x" }])),
            "first message must use the \\\"user\\\" role",
        ),
        (
            OLD,
            talk(json!([user, { "role": "assistant", "content": "{" }])),
            "prefill",
        ),
        (
            OLD,
            talk(json!([user, called, { "role": "user", "content": [result("u")] }])),
            "unexpected `tool_use_id` found in `tool_result` blocks: u",
        ),
        (
            OLD,
            talk(json!([user, called, user])),
            "without `tool_result` blocks immediately after: t",
        ),
        (
            OLD,
            talk(
                json!([user, called, { "role": "user", "content": [{ "type": "text", "text": "x" }, result("t")] }]),
            ),
            "without `tool_result` blocks immediately after: t",
        ),
        (
            OLD,
            talk(
                json!([{ "role": "user", "content": [{ "type": "text", "text": "x", "extra": 1 }] }]),
            ),
            "messages.0.content.0.text.extra: Extra inputs are not permitted",
        ),
        (
            NEW,
            format(json!({ "type": "object", "properties": {} })),
            "'additionalProperties' must be explicitly set to false",
        ),
        (
            NEW,
            format(
                json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "integer", "minimum": 1 } } }),
            ),
            "For 'integer' type, property 'minimum' is not supported",
        ),
        ("2030-01-01", hello.clone(), "is not a valid version"),
    ];
    for (version, body, words) in cases {
        let answer = provider.anthropic(version, &body).await;

        let error = answer.json();
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(words), "{} for {words}", answer.body);
        assert_eq!(
            (&error["type"], &error["error"]["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
        assert_eq!(
            error["request_id"],
            answer.headers["request-id"].to_str().unwrap()
        );
    }
    let bare = provider
        .send(
            "POST",
            "/v1/messages",
            &[("x-api-key", "k")],
            &hello.to_string(),
        )
        .await;
    assert!(bare.status == 400 && bare.body.contains("anthropic-version: header is required"));
}

#[tokio::test]
async fn the_old_version_still_takes_a_temperature_and_a_count_needs_no_limit() {
    let provider = provider().await;
    let headers = [("authorization", "Bearer k"), ("anthropic-version", OLD)];
    let counted =
        json!({ "model": "sim", "messages": [{ "role": "user", "content": "12345678" }] });

    let warm = provider
        .anthropic(OLD, &with(asking("x"), json!({ "temperature": 0.5 })))
        .await;
    let count = provider
        .send(
            "POST",
            "/v1/messages/count_tokens",
            &headers,
            &counted.to_string(),
        )
        .await;

    assert_eq!(warm.status, 200);
    assert_eq!(count.json(), json!({ "input_tokens": 5 }));
    assert!(
        warm.headers["anthropic-ratelimit-tokens-reset"]
            .to_str()
            .unwrap()
            .ends_with('Z')
    );
}

#[tokio::test]
async fn a_marked_prompt_is_written_first_and_read_from_then_on() {
    let provider = provider().await;
    let system = |ttl: &str| json!({ "system": [{ "type": "text", "text": "long ".repeat(40), "cache_control": { "type": "ephemeral", "ttl": ttl } }] });
    let ask = async |ttl: &str, question: &str| {
        provider
            .anthropic(NEW, &with(asking(question), system(ttl)))
            .await
            .json()["usage"]
            .clone()
    };

    let (first, second) = (ask("1h", "a").await, ask("1h", "b").await);

    assert!(first["cache_creation"]["ephemeral_1h_input_tokens"].as_u64() > Some(0));
    assert_eq!(first["cache_creation"]["ephemeral_5m_input_tokens"], 0);
    assert_eq!(
        second["cache_read_input_tokens"],
        first["cache_creation_input_tokens"]
    );
    assert_eq!(second["cache_creation_input_tokens"], 0);
    assert_eq!(second["input_tokens"], first["input_tokens"]);
}

#[tokio::test]
async fn json_is_an_instance_of_the_schema_and_a_stop_sequence_is_named() {
    let provider = provider().await;
    let schema = json!({
        "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"], "additionalProperties": false,
    });
    let format =
        json!({ "output_config": { "format": { "type": "json_schema", "schema": schema } } });

    let instance = provider
        .anthropic(NEW, &with(asking("x"), format))
        .await
        .json();
    let stopped = provider
        .anthropic(
            NEW,
            &with(asking("x"), json!({ "stop_sequences": ["simul"] })),
        )
        .await
        .json();

    assert_eq!(instance["content"][0]["text"], r#"{"n":7}"#);
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stop_sequence"]),
        (&json!("stop_sequence"), &json!("simul"))
    );
}
