use bytes::Bytes;
use http::{HeaderValue, Request};
use serde_json::json;
use tollgate_llm::Dialect;

use super::{
    ask::{FRONTS, Front, What, post},
    world::{BEHIND, World},
};

/// What a client of each dialect may send, and what a proxy adds.
const SENT: [(&str, &str); 11] = [
    ("authorization", "Bearer tg-canary"),
    ("x-api-key", "tg-canary"),
    ("x-goog-api-key", "tg-canary"),
    ("api-key", "tg-canary"),
    ("anthropic-beta", "context-1m"),
    ("openai-beta", "responses=v1"),
    ("x-goog-api-client", "genai"),
    ("x-stainless-lang", "python"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-tollgate-anything", "1"),
    ("traceparent", "00-1-2-01"),
];

fn with_headers(mut request: Request<Bytes>) -> Request<Bytes> {
    for (name, value) in SENT {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    request
}

#[tokio::test]
async fn what_only_one_dialect_knows_stays_behind_where_another_is_spoken() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in [Front::Chat, Front::Messages, Front::Gemini] {
            let request = with_headers(front.ask("sim", What::Text, true));
            let answer = world.ask("sim", request).await;

            let sent = world.provider.requests().pop().unwrap();
            let case = format!("{front:?} {behind:?} {:?}", sent.headers);
            assert_eq!(answer.status, 200, "{case}");
            assert!(
                !case.contains("canary") && !case.contains("203.0"),
                "{case}"
            );
            assert!(sent.headers.contains_key("traceparent"), "{case}");
            let is_own = matches!(
                (front, behind),
                (Front::Chat, Dialect::OpenAi)
                    | (Front::Messages, Dialect::Anthropic)
                    | (Front::Gemini, Dialect::Gemini)
            );
            for (name, dialect) in [
                ("anthropic-beta", Dialect::Anthropic),
                ("openai-beta", Dialect::OpenAi),
                ("x-goog-api-client", Dialect::Gemini),
            ] {
                let is_kept = is_own && behind == dialect;
                assert_eq!(sent.headers.contains_key(name), is_kept, "{name} {case}");
            }
            assert_eq!(
                sent.headers.contains_key("x-stainless-lang"),
                is_own,
                "{case}"
            );
            let version = sent.headers.get("anthropic-version");
            assert_eq!(version.is_some(), behind == Dialect::Anthropic, "{case}");
            for name in answer.headers.keys().map(http::HeaderName::as_str) {
                let foreign = ["openai-", "anthropic-", "x-goog-", "x-ratelimit-"];
                let is_foreign = foreign.iter().any(|own| name.starts_with(own));
                assert!(is_own || !is_foreign, "{name} {case}");
            }
        }
    }
}

#[tokio::test]
async fn a_clients_version_is_kept_where_its_request_goes_on_as_it_is() {
    let world = World::new(Dialect::Anthropic).await;
    let mut request = Front::Messages.ask("sim", What::Text, false);
    let version = HeaderValue::from_static("2026-10-21");
    request.headers_mut().insert("anthropic-version", version);
    world.ask("sim", request).await;
    let sent = world.provider.requests().pop().unwrap();
    assert_eq!(sent.headers["anthropic-version"], "2026-10-21");

    let world = world.reached(|it| it.anthropic_version("2026-10-21").unwrap());
    world
        .ask("sim", Front::Chat.ask("sim", What::Text, false))
        .await;
    let sent = world.provider.requests().pop().unwrap();
    assert_eq!(sent.headers["anthropic-version"], "2026-10-21");
}

#[tokio::test]
async fn a_key_in_a_query_goes_nowhere() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for front in FRONTS {
            let mut request = front.ask("sim", What::Text, true);
            let joint = if request.uri().query().is_some() {
                '&'
            } else {
                '?'
            };
            let uri = format!("{}{joint}key=tg-canary&beta=true", request.uri());
            *request.uri_mut() = uri.parse().unwrap();
            let answer = world.ask("sim", request).await;

            let sent = world.provider.requests().pop().unwrap();
            assert_eq!(answer.status, 200, "{front:?} {behind:?} {}", answer.body);
            // The provider's log would show that there was a key, but not which.
            assert!(
                !sent.path.contains("key"),
                "{front:?} {behind:?} {}",
                sent.path
            );
        }
    }
}

#[tokio::test]
async fn names_with_slashes_and_percents_reach_the_provider_as_they_are() {
    for behind in BEHIND {
        let world = World::new(behind).await;
        for model in ["org/sim-echo", "a%2Fb-echo", "echo:8b", "e\u{e9} echo?x#y"] {
            let body = json!({ "model": model, "messages": [{ "role": "user", "content": "h" }] });
            let answer = world.ask(model, post("/v1/chat/completions", &body)).await;

            assert_eq!(answer.status, 200, "{behind:?} {model} {}", answer.body);
            let echo = super::said::Said::plain(Front::Chat, &answer.body).text;
            let echo: serde_json::Value = serde_json::from_str(&echo).unwrap();
            assert_eq!(echo["model"], model, "{behind:?}");
            assert!(
                answer.cost().is_some_and(|cost| cost > 0),
                "{behind:?} {model}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_longer_than_any_is_refused_before_it_is_kept_anywhere() {
    let world = World::new(Dialect::OpenAi).await;
    let model = "m".repeat(1000);

    let answer = world
        .ask("sim", Front::Chat.ask(&model, What::Text, false))
        .await;

    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("model_not_found") && answer.body.len() < 400);
}
