use serde_json::json;
use tollgate_core::fact::Cost;
use tollgate_llm::{Price, Rates};

use super::{
    ask::{FRONTS, Front, What, post},
    world::{BEHIND, World},
};

#[tokio::test]
async fn what_has_no_price_has_no_cost_and_is_not_free() {
    for price in [None, Some(Price::new(Rates::default()))] {
        for behind in BEHIND {
            let world = World::new(behind).await;
            for front in FRONTS {
                let request = front.ask("sim", What::Text, false);
                let answer = world.ask_at("sim", request, price.clone()).await;

                assert_eq!(answer.trail.get::<Cost>(), None);
                assert_eq!(answer.header("x-tollgate-cost"), Some("unknown"));
                assert!(answer.usage().output > 0);
            }
        }
    }
}

#[tokio::test]
async fn cached_input_and_reasoning_cost_what_is_billed() {
    let question = "many words ".repeat(1500);
    for behind in BEHIND {
        for front in [Front::Chat, Front::Messages] {
            let world = World::new(behind).await;
            for stream in [false, true] {
                let body = match front {
                    Front::Messages => {
                        json!({ "model": "sim", "max_tokens": 9000, "stream": stream,
                        "thinking": { "type": "enabled", "budget_tokens": 2000 },
                        "system": [{ "type": "text", "text": question, "cache_control": { "type": "ephemeral" } }],
                        "messages": [{ "role": "user", "content": "h" }] })
                    }
                    _ => json!({ "model": "sim", "reasoning_effort": "low", "stream": stream,
                        "messages": [{ "role": "system", "content": question }, { "role": "user", "content": "h" }] }),
                };
                let path = match front {
                    Front::Messages => "/v1/messages",
                    _ => "/v1/chat/completions",
                };
                let world = &world;
                let answer = world.ask("sim", post(path, &body)).await;

                let (billed, usage) = (world.billed(), answer.usage());
                let case = format!("{front:?} {behind:?} {stream} {usage:?} {billed:?}");
                assert_eq!(answer.status, 200, "{case} {}", answer.body);
                let tokens = billed.tokens;
                assert_eq!(usage.cache_read, tokens.cached, "{case}");
                assert_eq!(usage.cache_write, tokens.cache_write, "{case}");
                assert!(tokens.reasoning > 0, "{case}");
                assert_eq!(usage.reasoning, tokens.reasoning, "{case}");
                assert_eq!(
                    answer.cost().unwrap() as u128,
                    billed.nano_dollars,
                    "{case}"
                );
            }
        }
    }
}
