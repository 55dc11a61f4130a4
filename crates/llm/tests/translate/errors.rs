use serde_json::{Value, json};
use tollgate_core::{
    About,
    fact::{Cost, Dispatch, Usage},
};
use tollgate_llm::{Dialect, simulated::Step};

use super::{
    ask::{FRONTS, Front, What, post},
    world::{BEHIND, KEY, World},
};

#[tokio::test]
async fn a_providers_error_is_told_in_the_callers_words_and_costs_nothing() {
    // What Anthropic and Google call it too; OpenAI's callers know the types by the status.
    let cases = [
        (400, [400, 400, 400]),
        (403, [403, 403, 403]),
        (404, [404, 404, 404]),
        (413, [413, 413, 413]),
        (429, [429, 429, 429]),
        (503, [503, 529, 503]),
        (529, [503, 529, 503]),
    ];
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            for (status, told) in cases {
                if behind != Dialect::Anthropic && status == 529 {
                    continue; // They know no such status.
                }
                world.provider.script([Step::status(status).retry_after(7)]);
                let answer = world.ask("sim", front.ask("sim", What::Text, false)).await;

                let case = format!("{front:?} {behind:?} {status}: {}", answer.body);
                let own = own(front) == behind;
                let expected = match front {
                    _ if own => status,
                    Front::Chat | Front::Responses => told[0],
                    Front::Messages => told[1],
                    Front::Gemini | Front::Array => told[2],
                };
                assert_eq!(answer.status, expected, "{case}");
                assert_eq!(answer.header("retry-after"), Some("7"), "{case}");
                check_shape(front, &answer.body, expected);
                assert_eq!(answer.usage(), Usage::default(), "{case}");
                assert_eq!(answer.cost(), Some(0), "{case}");
                assert_eq!(answer.header("x-tollgate-cost"), Some("0"), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_account_is_not_worth_another_try() {
    // Google says the same of what comes back within a minute.
    for behind in [Dialect::OpenAi, Dialect::Anthropic] {
        let world = World::new(behind).await;
        for front in FRONTS {
            let model = "sim-insufficient-quota";
            let answer = world.ask(model, front.ask(model, What::Text, true)).await;

            let case = format!("{front:?} {behind:?} {}: {}", answer.status, answer.body);
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{case}");
            if own(front) != behind && matches!(front, Front::Chat | Front::Responses) {
                assert!(answer.body.contains("insufficient_quota"), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_the_gateways_matter() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        let world = world.reached(|it| it.key("sk-canary-that-is-wrong".into()).unwrap());
        for front in FRONTS {
            let answer = world.ask("sim", front.ask("sim", What::Text, true)).await;

            let case = format!("{front:?} {behind:?} {}", answer.body);
            assert_eq!(answer.status, 502, "{case}");
            assert!(answer.body.contains("upstream_unauthorized"), "{case}");
            assert!(!answer.body.contains("canary"), "{case}");
            assert_eq!(answer.rejection.unwrap().about(), About::Target);
            assert_eq!(answer.trail.get::<Cost>(), Some(Cost::default()), "{case}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_said_there_is_refused_before_anything_is_sent() {
    let chat = |name: &str, value: Value| {
        let mut body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "h" }] });
        body[name] = value;
        ("/v1/chat/completions", body)
    };
    let cases = [
        (Dialect::Anthropic, chat("n", json!(2)), "n"),
        (
            Dialect::Anthropic,
            chat("logprobs", json!(true)),
            "logprobs",
        ),
        (Dialect::Anthropic, chat("seed", json!(7)), "seed"),
        (
            Dialect::Gemini,
            chat("logit_bias", json!({ "7": 1 })),
            "logit_bias",
        ),
        (Dialect::Gemini, chat("unheard_of", json!(1)), "unheard_of"),
    ];
    for (behind, (path, body), field) in cases {
        let world = World::new(behind).await;

        let answer = world.ask("sim", post(path, &body)).await;

        let case = format!("{behind:?} {field} {}", answer.body);
        let told: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 400, "{case}");
        assert_eq!(told["error"]["param"], field, "{case}");
        assert!(
            told["error"]["message"].as_str().unwrap().contains(field),
            "{case}"
        );
        assert_eq!(answer.rejection.as_ref().unwrap().about(), About::Caller);
        assert_eq!(answer.trail.get(), Some(Dispatch::No));
        assert_eq!(answer.trail.get::<Usage>(), None);
        assert!(world.provider.requests().is_empty(), "{case}");

        let world = world.reached(|it| it.lenient(true));
        let answer = world.ask("sim", post(path, &body)).await;

        assert_eq!(answer.status, 200, "{case}: {}", answer.body);
        let dropped = answer.header("x-tollgate-dropped").unwrap();
        assert!(
            dropped.split(", ").any(|it| it == field),
            "{case}: {dropped}"
        );
    }
}

#[tokio::test]
async fn what_a_provider_does_not_do_is_refused_with_a_reason() {
    let world = World::new(Dialect::Anthropic).await;
    for (path, body) in [
        ("/v1/embeddings", json!({ "model": "sim", "input": "a" })),
        (
            "/v1beta/models/sim:embedContent",
            json!({ "content": { "parts": [{ "text": "a" }] } }),
        ),
    ] {
        let answer = world.ask("sim", post(path, &body)).await;

        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(
            answer.body.contains("does not serve this (embeddings)"),
            "{}",
            answer.body
        );
        assert_eq!(answer.trail.get(), Some(Dispatch::No));
    }
    assert!(world.provider.requests().is_empty());
}

fn own(front: Front) -> Dialect {
    match front {
        Front::Chat | Front::Responses => Dialect::OpenAi,
        Front::Messages => Dialect::Anthropic,
        Front::Gemini | Front::Array => Dialect::Gemini,
    }
}

fn check_shape(front: Front, body: &str, status: u16) {
    assert!(!body.contains(KEY));
    let told: Value = serde_json::from_str(body).unwrap();
    let error = &told["error"];
    assert!(error["message"].is_string(), "{body}");
    match front {
        Front::Chat | Front::Responses => {
            assert!(error["type"].is_string(), "{body}");
            for name in ["param", "code"] {
                assert!(error.get(name).is_some(), "{body}");
            }
        }
        Front::Messages => {
            assert_eq!(told["type"], "error", "{body}");
            assert!(error["type"].as_str().unwrap().contains('_'), "{body}");
        }
        Front::Gemini | Front::Array => {
            assert_eq!(error["code"], status, "{body}");
            assert!(error["status"].is_string(), "{body}");
        }
    }
}
