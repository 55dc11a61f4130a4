//! The gateway as a client and an operator find it, with its built-in provider.

use std::process::Command;

use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tollgate_tests::{Behaviour, Gateway, Upstream, eventually};

#[tokio::test]
async fn without_a_configuration_the_printed_curl_line_works_as_printed() {
    let gateway = Gateway::start(None).await;
    let line = curl_line(&gateway.printed());

    let output = Command::new("sh")
        .args(["-c", &line])
        .output()
        .expect("there is a shell");

    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.contains("This is a simulated answer"),
        "{line}\n{output:?}"
    );
}

#[tokio::test]
async fn without_a_configuration_a_fresh_key_is_made_each_time() {
    let (one, other) = (Gateway::start(None).await, Gateway::start(None).await);

    assert_ne!(one.key(), other.key());
    assert!(one.key().len() >= 32, "{}", one.key());
    let refused = one.chat(&other.key(), hello()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_operator_sees_health_and_metrics_on_a_port_of_their_own() {
    let gateway = Gateway::start(None).await;
    let asked =
        json!({ "model": "sim-small", "messages": [{ "role": "user", "content": "hello" }] });
    gateway.chat(&gateway.key(), asked).await;

    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gateway.admin(path).await.status, StatusCode::OK, "{path}");
        let status = gateway.get(path, &gateway.key()).await.status;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path} on the clients' port");
    }
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("tollgate_tokens_total"), "{metrics}");
    assert!(!metrics.contains(&gateway.key()), "{metrics}");
}

#[tokio::test]
async fn an_answer_carries_the_limits_and_what_is_left_of_them() {
    let config = format!("{CONFIG}\n[quota.default]\nrequests_per_minute = 30\n");
    let gateway = Gateway::start(Some(&config)).await;

    let answer = gateway.chat(KEY, hello()).await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "30");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "29");
}

#[tokio::test]
async fn a_stream_comes_event_by_event_and_ends_with_its_mark() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let events = gateway
        .stream(KEY, hello())
        .await
        .rest()
        .await
        .expect("the stream is whole");

    let (last, chunks) = events.split_last().expect("there are events");
    let text: String = chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk).expect("a chunk is JSON"))
        .filter_map(|chunk: Value| {
            Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
        })
        .collect();
    assert_eq!(last, "[DONE]");
    assert!(
        text.starts_with("This is a simulated answer to: hello"),
        "{text}"
    );
}

#[tokio::test]
async fn the_same_question_again_is_answered_from_the_cache_but_not_for_another_tenant() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let statuses = [
        gateway.chat(KEY, hello()).await,
        gateway.chat(KEY, hello()).await,
        gateway.chat(OTHER_KEY, hello()).await,
        gateway
            .chat(KEY, json!({ "model": "small", "messages": [], "seed": 1 }))
            .await,
    ]
    .map(|answer| answer.header("x-tollgate-cache").to_owned());

    assert_eq!(statuses, ["miss", "hit", "miss", "miss"]);
}

#[tokio::test]
async fn a_record_says_who_asked_what_of_whom_and_what_it_used() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    gateway.chat(KEY, hello()).await;
    gateway.chat("tg-nobody", hello()).await;
    let records = gateway.records(2).await;

    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0]["status"], 200, "{}", records[0]);
    assert_eq!(records[0]["outcome"], "completed");
    assert_eq!(records[0]["principal"]["key"], "alice");
    assert_eq!(records[0]["call"]["operation"], "chat");
    assert_eq!(records[0]["call"]["model"], "small");
    assert_eq!(records[0]["target"], "simulated/sim-small");
    assert_eq!(records[0]["cache"], "miss");
    assert!(
        records[0]["usage"]["output"].as_u64() > Some(0),
        "{}",
        records[0]
    );
    assert_eq!(records[1]["status"], 401, "{}", records[1]);
    assert_eq!(records[1]["rejection"], "invalid_api_key");
}

#[tokio::test]
async fn models_are_those_that_the_key_may_call() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let all = gateway.get("/v1/models", KEY).await.json();
    let narrow = gateway.get("/v1/models", OTHER_KEY).await.json();

    let names = |list: &Value| -> Vec<String> {
        let models = list["data"].as_array().expect("it is a list");
        models
            .iter()
            .filter_map(|model| Some(model["id"].as_str()?.to_owned()))
            .collect()
    };
    assert!(names(&all).contains(&"embed".to_owned()), "{all}");
    assert_eq!(names(&narrow), ["small"]);
}

#[tokio::test]
async fn the_provider_gets_what_the_client_sent_but_for_the_model_and_the_credential() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&with_provider(&upstream))).await;
    let body = r#"{ "model" : "fast", "messages":[{"role":"user","content":"h\u0065llo"}],  "unknown": 1.50 }"#;

    let answer = gateway
        .send(gateway.post("/v1/chat/completions", KEY, body))
        .await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].uri().path(), "/v1/chat/completions");
    assert_eq!(seen[0].body(), &body.replace("fast", "its-own-name"));
    assert_eq!(
        seen[0].headers()[header::AUTHORIZATION],
        "Bearer sk-canary-of-the-provider"
    );
    assert!(!format!("{:?}", seen[0].headers()).contains(KEY));
}

#[tokio::test]
async fn no_secret_is_printed_recorded_or_counted() {
    let upstream = Upstream::start(Behaviour::Refuses(500));
    let gateway = Gateway::start(Some(&with_provider(&upstream))).await;

    let asked =
        json!({ "model": "fast", "messages": [{ "role": "user", "content": "canary-prompt" }] });
    let answers = [
        gateway.chat(KEY, asked).await,
        gateway.chat("tg-canary-guess", hello()).await,
    ];
    let records = gateway.records(2).await;
    let metrics = gateway.admin("/metrics").await.text();

    let all = format!("{answers:?} {} {records:?} {metrics}", gateway.printed());
    for secret in ["sk-canary", "canary-prompt", "tg-canary", KEY, OTHER_KEY] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn a_path_that_nobody_knows_is_not_found_in_the_dialect() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let unknown = gateway.get("/v1/unheard-of", KEY).await;
    let request = Request::get(format!("{}/v1/models", gateway.url())).body(Default::default());
    let stranger = gateway.send(request.expect("the request is sound")).await;

    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.error()["code"], "unknown_url");
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.error()["code"], "missing_credentials");
}

#[tokio::test]
async fn a_stream_counts_until_it_ends_or_its_client_leaves() {
    let config = CONFIG.replace("0ms", "100ms");
    let config = format!("{config}\n[quota.default]\nconcurrency = 1\n");
    let gateway = Gateway::start(Some(&config)).await;
    let mut ends = gateway.stream(KEY, hello()).await;
    ends.next().await.expect("the stream goes on");

    let refused = gateway.chat(KEY, hello()).await;
    let other = gateway.chat(OTHER_KEY, hello()).await;
    ends.rest().await.expect("the stream is whole");
    let mut leaves = gateway.stream(KEY, hello_again()).await;
    leaves.next().await.expect("the stream goes on");
    drop(leaves);

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.error()["code"], "concurrency_exceeded");
    assert_eq!(other.status, StatusCode::OK);
    eventually("a request that is let in", async || {
        let answer = gateway.chat(KEY, hello_again()).await;
        (answer.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let config = format!("{CONFIG}\n[audit]\npath = \"/dev/full\"\n");
    let gateway = Gateway::start(Some(&config)).await;

    let refused = eventually("a refusal", async || {
        let answer = gateway.chat(KEY, hello()).await;
        (answer.status != StatusCode::OK).then_some(answer)
    })
    .await;

    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.error()["code"], "audit_unavailable");
}

#[tokio::test]
async fn on_loopback_nobody_needs_a_key_where_it_is_said_so() {
    let config = format!("{CONFIG}\n[auth]\nanonymous = true\n");
    let gateway = Gateway::start(Some(&config)).await;
    let request = || {
        let mut request = gateway.post("/v1/chat/completions", "tg-nobody", hello().to_string());
        request.headers_mut().remove(header::AUTHORIZATION);
        request
    };

    let without = gateway.send(request()).await;
    let wrong = gateway.chat("tg-nobody", hello()).await;

    assert_eq!(without.status, StatusCode::OK, "{without:?}");
    assert_eq!(
        wrong.status,
        StatusCode::UNAUTHORIZED,
        "who sends a key must send a good one"
    );
}

fn hello() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "hello" }] })
}

/// Another question, so that the cache does not know it.
fn hello_again() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "hello again" }] })
}

/// The configuration with a provider of the test's own, which serves `fast`.
fn with_provider(upstream: &Upstream) -> String {
    format!(
        r#"{CONFIG}
        [[providers]]
        name = "scripted"
        dialect = "openai"
        base_url = "{}"
        api_key = "sk-canary-of-the-provider"
        [[models]]
        name = "fast"
        targets = [{{ provider = "scripted", model = "its-own-name" }}]
        "#,
        upstream.url(),
    )
}

/// What is printed from `curl` on, with the lines that continue it.
fn curl_line(printed: &str) -> String {
    let start = printed.find("curl ").expect("a curl line is printed");
    let mut line = String::new();
    for part in printed[start..].lines() {
        line.push_str(part);
        line.push('\n');
        if !part.ends_with('\\') {
            break;
        }
    }
    line
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
const OTHER_KEY: &str = "tg-bob-95a0e3c7d812";
const CONFIG: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"
    [[keys]]
    id = "bob"
    key = "tg-bob-95a0e3c7d812"
    models = ["small"]

    [[models]]
    name = "small"
    targets = [{ provider = "simulated", model = "sim-small" }]
    [[models]]
    name = "embed"
    targets = [{ provider = "simulated", model = "sim-embed" }]

    [cache]
    ttl = "1h"

    [simulated]
    enabled = true
    pace = "0ms"
"#;
