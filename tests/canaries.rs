//! Secrets are in no output: not in a log at its most talkative, a metric, an error, a record, a page or a configuration told in
//! words.

use std::fs;

use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::json;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Gateway, Postgres, Provider, Redis, eventually, run};

#[tokio::test]
async fn no_secret_is_ever_seen_in_what_a_gateway_puts_out() {
    let (Some(mut postgres), Some(mut redis)) = (Postgres::new(), Redis::new()) else {
        return;
    };
    postgres.start().await;
    redis.start().await;
    let provider = Provider::start(Simulated::new().key("sk-canary-provider"));
    let with_password = |url: String, password: &str| {
        let (scheme, rest) = url.split_once("://").expect("it is a URL");
        let rest = rest.split_once('@').map_or(rest, |(_, host)| host);
        let user = if scheme == "redis" { "" } else { "tollgate" };
        format!("{scheme}://{user}:{password}@{rest}")
    };
    redis.command("CONFIG SET requirepass canary-redis").await;
    let config = format!(
        r#"
        [database]
        url = "{}"
        [redis]
        url = "{}"
        [auth]
        pepper = "canary-pepper-0123"
        [admin]
        token = "canary-operator-0123"
        [quota.default]
        requests_per_minute = 5
        tokens_per_minute = 100000
        budget = {{ usd = 1, every = "day", hard = true }}
        [[keys]]
        id = "caller"
        key = "tg-canary-configured"
        [[providers]]
        name = "behind"
        base_url = "{}/v1"
        api_key = "sk-canary-provider"
        [[models]]
        name = "sim"
        targets = [{{ provider = "behind", model = "sim", price = {{ input = 1, output = 1 }}, max_output = 100 }}]
        "#,
        with_password(postgres.url(), "canary-database"),
        with_password(redis.url(), "canary-redis"),
        provider.url()
    );
    let mut gateway = Gateway::start_with(Some(&config), &[("RUST_LOG", "trace")]).await;
    let mut seen = Vec::new();
    let chat = json!({ "model": "sim", "messages": [{ "role": "user", "content": "hello" }] });

    let made = admin(&gateway, "/api/keys", "canary-operator-0123").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let mut keys = vec![
        made.json()["key"]
            .as_str()
            .expect("it is shown once")
            .to_owned(),
    ];
    keys.push("tg-canary-configured".into());
    keys.push("tg-canary-unknown".into());
    for key in &keys {
        for _ in 0..4 {
            let answer = gateway.chat(key, chat.clone()).await;
            seen.push(format!("{:?} {}", answer.headers, answer.text()));
        }
    }
    seen.push(admin(&gateway, "/api/keys", "canary-intruder").await.text());
    // What goes wrong is more talkative than what goes well.
    redis.kill();
    postgres.kill();
    for key in &keys {
        let answer = gateway.chat(key, chat.clone()).await;
        seen.push(format!("{:?} {}", answer.headers, answer.text()));
    }
    seen.push(
        admin(&gateway, "/api/keys", "canary-operator-0123")
            .await
            .text(),
    );
    seen.push(gateway.admin("/metrics").await.text());
    eventually("the records", async || {
        let path = gateway.folder().join("tollgate-data/audit.jsonl");
        let records = fs::read_to_string(path).unwrap_or_default();
        (records.lines().count() >= 15).then(|| seen.push(records))
    })
    .await;
    let path = gateway.folder().join("tollgate.toml");
    let path = path.to_str().expect("it is text");
    seen.push(format!(
        "{:?}",
        run(gateway.folder(), &["check", "--config", path])
    ));
    gateway.terminate();
    gateway.exit().await;
    seen.push(gateway.printed());

    for text in &seen {
        for line in text.lines() {
            let shows = keys.iter().any(|key| line.contains(key.as_str()));
            assert!(!line.contains("canary") && !shows, "{line}");
        }
    }
    assert!(
        seen.last().is_some_and(|log| log.contains("TRACE")),
        "it was talkative"
    );
}

async fn admin(gateway: &Gateway, path: &str, token: &str) -> tollgate_tests::Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}{path}", gateway.admin_url()))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from("{}"))
        .expect("the request is sound");
    gateway.send(request).await
}
