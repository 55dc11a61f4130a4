use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::client::{provider, serve};
use tollgate_llm::simulated::{Prices, Simulated};

fn asking(model: &str, stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": "tell me more of it" }]);
    json!({ "model": model, "messages": messages, "stream": stream })
}

#[tokio::test]
async fn every_request_has_its_own_account_and_the_sums_are_right() {
    let prices = Prices {
        input: 1_000_000,
        output: 3_000_000,
        ..Prices::default()
    };
    let provider = serve(Simulated::new().prices("priced", prices)).await;

    let plain = provider
        .openai("/v1/chat/completions", &asking("priced", false))
        .await;
    let stream = provider
        .openai("/v1/chat/completions", &asking("priced", true))
        .await;
    provider
        .openai(
            "/v1/embeddings",
            &json!({ "model": "e", "input": "12345678" }),
        )
        .await;

    let bill = provider.own.bill();
    let usage = plain.json()["usage"].clone();
    for (entry, answer) in bill.requests.iter().zip([&plain, &stream]) {
        assert_eq!(entry.id, answer.headers["x-request-id"].to_str().unwrap());
        assert_eq!(
            entry.tokens.prompt(),
            usage["prompt_tokens"].as_u64().unwrap()
        );
        assert_eq!(
            entry.tokens.output,
            usage["completion_tokens"].as_u64().unwrap()
        );
        assert_eq!(
            entry.nano_dollars,
            u128::from(entry.tokens.prompt() + 3 * entry.tokens.output)
        );
        assert!(entry.complete && !entry.open && entry.status == 200);
    }
    assert_eq!(bill.requests[2].tokens.embedding, 2);
    assert_eq!(bill.models["priced"].requests, 2);
    assert_eq!(
        bill.models["priced"].nano_dollars,
        2 * bill.requests[0].nano_dollars
    );
    assert_eq!(bill.total.tokens.output, 2 * bill.requests[0].tokens.output);
    assert_eq!(bill.request(2).map(|entry| entry.stream), Some(true));
}

#[tokio::test]
async fn a_stream_that_is_left_is_billed_as_far_as_it_was_given() {
    let provider = serve(Simulated::new().pace(Duration::from_millis(2))).await;
    let body = asking("sim", true).to_string();

    let key = [("authorization", "Bearer k")];
    let mut stream = provider
        .open("POST", "/v1/chat/completions", &key, &body)
        .await
        .into_body();
    for _ in 0..4 {
        stream.frame().await.unwrap().unwrap();
    }
    drop(stream);
    while provider.own.bill().requests[0].open {
        tokio::task::yield_now().await;
    }

    let entry = provider.own.bill().requests.remove(0);
    assert!(!entry.complete);
    // The role comes first and costs nothing.
    assert!((3..11).contains(&entry.tokens.output), "{entry:?}");
    assert_eq!(provider.own.stats().read().cancelled, 1);
}

#[tokio::test]
async fn reasoning_is_billed_whether_it_is_shown_or_not() {
    let provider = provider().await;
    let mut chat = asking("sim", true);
    chat["reasoning_effort"] = json!("low");
    let thinking = json!({ "model": "sim", "max_tokens": 100, "stream": true, "thinking": { "type": "adaptive" }, "messages": chat["messages"] });
    let gemini = |shown: bool| json!({ "contents": [{ "parts": [{ "text": "tell me more of it" }] }], "generationConfig": { "thinkingConfig": { "includeThoughts": shown } } });

    provider.openai("/v1/chat/completions", &chat).await;
    let input = json!({ "model": "sim", "input": chat["messages"], "reasoning": { "effort": "low" }, "stream": true });
    provider.openai("/v1/responses", &input).await;
    provider.anthropic("2026-10-21", &thinking).await;
    for shown in [false, true] {
        provider
            .gemini(
                "/v1/models/sim:streamGenerateContent?alt=sse",
                &gemini(shown),
            )
            .await;
    }

    let bill = provider.own.bill();
    assert_eq!(bill.requests.len(), 5);
    for entry in bill.requests {
        assert_eq!(
            (entry.tokens.reasoning, entry.tokens.output),
            (7, 18),
            "{}",
            entry.path
        );
    }
}

#[tokio::test]
async fn a_long_prompt_is_read_from_what_was_kept_and_written_only_where_asked() {
    let provider = provider().await;
    let ask = async |name: &str, key: bool| {
        let mut body = asking("sim", false);
        let long = format!("{name} {}", "word ".repeat(1000));
        body["messages"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({ "role": "system", "content": long }));
        if key {
            body["prompt_cache_key"] = json!("k");
        }
        let usage = provider.openai("/v1/chat/completions", &body).await.json()["usage"].clone();
        let details = &usage["prompt_tokens_details"];
        (
            details["cached_tokens"].as_u64().unwrap(),
            details["cache_write_tokens"].as_u64().unwrap_or(0),
        )
    };

    let unasked = [ask("a", false).await, ask("a", false).await];
    let asked = [ask("b", true).await, ask("b", true).await];

    assert_eq!(unasked[0], (0, 0));
    assert!(unasked[1].0 > 1024 && unasked[1].1 == 0);
    assert!(asked[0].0 == 0 && asked[0].1 > 1024);
    assert_eq!(asked[1], (asked[0].1, 0));
    let bill = provider.own.bill();
    // However a prompt is billed, each of its tokens is billed once.
    let prompts: Vec<_> = bill.requests.iter().map(|it| it.tokens.prompt()).collect();
    assert_eq!(prompts, [prompts[0]; 4]);
    let tokens = bill.total.tokens;
    assert_eq!(
        (tokens.cached, tokens.cache_write),
        (unasked[1].0 + asked[1].0, asked[0].1)
    );
}
