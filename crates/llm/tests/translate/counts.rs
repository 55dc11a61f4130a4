use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tollgate_core::fact::{Dispatch, Usage};
use tollgate_llm::Dialect;

use super::{
    ask::{Front, What, post},
    said::Said,
    world::{BEHIND, World},
};

#[tokio::test]
async fn embeddings_are_the_same_in_every_dialect_and_paid_for() {
    let embed = json!({ "content": { "parts": [{ "text": "a b c" }] } });
    let batch = json!({ "requests": [{ "model": "models/sim-embed", "content": { "parts": [{ "text": "a b c" }] } }] });
    let mut vectors = Vec::new();
    for behind in [Dialect::OpenAi, Dialect::Gemini] {
        let world = World::new(behind).await;
        let asked = |encoding: &str| json!({ "model": "sim-embed", "input": ["a b c"], "encoding_format": encoding });
        let cases = [
            ("/v1/embeddings", asked("float"), "/data/0/embedding"),
            ("/v1/embeddings", asked("base64"), "/data/0/embedding"),
            (
                "/v1beta/models/sim-embed:embedContent",
                embed.clone(),
                "/embedding/values",
            ),
            (
                "/v1beta/models/sim-embed:batchEmbedContents",
                batch.clone(),
                "/embeddings/0/values",
            ),
        ];
        for (path, body, at) in cases {
            let answer = world.ask("sim-embed", post(path, &body)).await;

            let case = format!("{behind:?} {path} {}", answer.body);
            assert_eq!(answer.status, 200, "{case}");
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            vectors.push(vector(told.pointer(at).expect(&case)));
            let (billed, usage) = (world.billed(), answer.usage());
            assert!(
                usage.estimated || usage.input == billed.tokens.embedding,
                "{case}"
            );
            assert!(
                usage.input >= billed.tokens.embedding && usage.output == 0,
                "{case}"
            );
            assert!(
                answer.cost().unwrap() as u128 >= billed.nano_dollars,
                "{case}"
            );
        }
    }
    for vector in &vectors {
        assert_eq!(vector.len(), vectors[0].len());
        for (one, other) in vector.iter().zip(&vectors[0]) {
            assert!((one - other).abs() < 1e-6, "{vector:?} {:?}", vectors[0]);
        }
    }
}

fn vector(value: &Value) -> Vec<f64> {
    match value {
        Value::String(text) => {
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            let (floats, []) = bytes.as_chunks::<4>() else {
                panic!("half a number");
            };
            floats
                .iter()
                .map(|it| f64::from(f32::from_le_bytes(*it)))
                .collect()
        }
        value => value
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_f64().unwrap())
            .collect(),
    }
}

#[tokio::test]
async fn a_conversation_is_counted_by_the_provider_or_estimated_and_costs_nothing() {
    let messages =
        json!({ "model": "sim", "messages": [{ "role": "user", "content": "count these words" }] });
    let contents =
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "count these words" }] }] });
    for behind in BEHIND {
        let world = World::new(behind).await;
        for (path, body, at) in [
            ("/v1/messages/count_tokens", &messages, "/input_tokens"),
            ("/v1beta/models/sim:countTokens", &contents, "/totalTokens"),
        ] {
            let answer = world.ask("sim", post(path, body)).await;

            let case = format!("{behind:?} {path} {}", answer.body);
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(answer.status, 200, "{case}");
            assert!(
                told.pointer(at)
                    .and_then(Value::as_u64)
                    .is_some_and(|it| it > 0),
                "{case}"
            );
            let estimated = answer.header("x-tollgate-estimated");
            if behind == Dialect::OpenAi {
                assert_eq!(estimated, Some("true"), "{case}");
                assert_eq!(answer.trail.get(), Some(Dispatch::No), "{case}");
                assert!(world.provider.requests().is_empty(), "{case}");
            } else {
                assert_eq!(estimated, None, "{case}");
                assert_eq!(answer.usage(), Usage::default(), "{case}");
                assert_eq!(answer.cost(), Some(0), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn completions_of_a_text_are_served_by_every_provider() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for stream in [false, true] {
            let body = json!({ "model": "sim", "prompt": "once upon a time", "max_tokens": 50, "stream": stream });
            let answer = world.ask("sim", post("/v1/completions", &body)).await;

            let case = format!("{behind:?} {stream} {}", answer.body);
            assert_eq!(answer.status, 200, "{case}");
            assert!(answer.body.contains("text_completion"), "{case}");
            assert!(
                !stream || answer.body.ends_with("data: [DONE]\n\n"),
                "{case}"
            );
            let (billed, usage) = (world.billed(), answer.usage());
            assert_eq!(
                (usage.total_input(), usage.output),
                (billed.tokens.prompt(), billed.tokens.output),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn responses_are_made_of_chats_where_a_provider_has_none() {
    let world = World::new(Dialect::OpenAi)
        .await
        .reached(|it| it.responses(false));
    for stream in [false, true] {
        let answer = world
            .ask("sim", Front::Responses.ask("sim", What::Text, stream))
            .await;

        let said = match stream {
            true => Said::stream(Front::Responses, &answer.body),
            false => Said::plain(Front::Responses, &answer.body),
        };
        assert!(
            said.complete && said.text.ends_with("h\u{e9}llo"),
            "{}",
            answer.body
        );
        assert_eq!(world.billed().path, "/v1/chat/completions");
    }
    let answer = world
        .ask("sim-cut", Front::Responses.ask("sim-cut", What::Text, true))
        .await;
    let said = Said::stream(Front::Responses, &answer.body);
    assert!(said.error.is_some() && !said.complete, "{}", answer.body);
    assert!(
        answer.body.contains("event: response.failed"),
        "{}",
        answer.body
    );
}
