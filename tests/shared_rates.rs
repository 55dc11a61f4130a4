//! Rates that gateways share over Redis, and what holds while it is away.

use http::StatusCode;
use serde_json::json;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Provider, Redis, eventually};

#[tokio::test]
async fn two_gateways_let_no_more_pass_than_one() {
    let Some(mut redis) = Redis::new() else {
        return;
    };
    redis.start().await;
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let config = config(&provider, &redis, "");
    let gateways = [
        Gateway::start(Some(&config)).await,
        Gateway::start(Some(&config)).await,
    ];

    let mut passed = 0;
    for number in 0..2 * LIMIT {
        let answer = chat(&gateways[number % 2]).await;
        match answer.status {
            StatusCode::OK => passed += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                let retry: u64 = answer
                    .header("retry-after")
                    .parse()
                    .expect("it is a number");
                assert!((1..=120).contains(&retry), "{retry}");
            }
            status => panic!("{status}: {}", answer.text()),
        }
    }

    // One comes back every two minutes.
    assert!((LIMIT..=LIMIT + 1).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_gateway_that_started_before_redis_finds_it_without_a_restart() {
    let Some(mut redis) = Redis::new() else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, &redis, ""))).await;

    let refused = chat(&gateway).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.header("retry-after").is_empty());
    redis.start().await;
    eventually("an answer", async || {
        (chat(&gateway).await.status == StatusCode::OK).then_some(())
    })
    .await;
    redis.kill();
    assert_eq!(chat(&gateway).await.status, StatusCode::SERVICE_UNAVAILABLE);
    redis.start().await;
    eventually("an answer again", async || {
        (chat(&gateway).await.status == StatusCode::OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_redis_is_away_a_gateway_lets_its_share_pass_if_that_is_declared() {
    let Some(redis) = Redis::new() else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let quota = "[quota]\nwhen_away = \"local_share\"\nreplicas = 2\n";
    let gateway = Gateway::start(Some(&config(&provider, &redis, quota))).await;

    let mut passed = 0;
    for _ in 0..LIMIT {
        let answer = chat(&gateway).await;
        if answer.status == StatusCode::OK {
            passed += 1;
            assert_eq!(answer.header("x-tollgate-rates"), "local-share");
        }
    }

    assert!((LIMIT / 2..=LIMIT / 2 + 1).contains(&passed), "{passed}");
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("tollgate_quota_degraded"), "{metrics}");
}

#[tokio::test]
async fn while_redis_is_away_everything_passes_if_that_is_declared() {
    let Some(redis) = Redis::new() else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let quota = "[quota]\nwhen_away = \"allow\"\n";
    let gateway = Gateway::start(Some(&config(&provider, &redis, quota))).await;

    for _ in 0..LIMIT + 2 {
        let answer = chat(&gateway).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-tollgate-rates"), "allow");
    }
}

async fn chat(gateway: &Gateway) -> Answer {
    let body = json!({ "model": "sim", "messages": [{ "role": "user", "content": "hello" }] });
    gateway.chat(KEY, body).await
}

fn config(provider: &Provider, redis: &Redis, quota: &str) -> String {
    format!(
        r#"
        {quota}
        [redis]
        url = "{}"
        [quota.default]
        requests_per_hour = {LIMIT}
        [[keys]]
        id = "caller"
        key = "{KEY}"
        [[providers]]
        name = "behind"
        base_url = "{}/v1"
        api_key = "sk-simulated"
        [[models]]
        name = "sim"
        targets = [{{ provider = "behind", model = "sim" }}]
        "#,
        redis.url(),
        provider.url()
    )
}

const KEY: &str = "tg-shared-0123456789abcdef";
const LIMIT: usize = 30;
