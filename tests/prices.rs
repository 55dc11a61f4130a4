//! Budgets when prices rise while calls are open, and when a provider bills more than its bound.

use std::{fs, path::Path, time::Duration};

use http::StatusCode;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tollgate_llm::simulated::{Prices, Simulated};
use tollgate_tests::{Behaviour, Gateway, Provider, Upstream, eventually};

#[tokio::test]
async fn a_budget_holds_though_the_price_of_an_open_call_rises() {
    let file = NamedTempFile::new().expect("there is room");
    let set = |dollars: u32| {
        let listed = ["echo", "sim"].map(|model| {
            format!(
                "[[models]]\nprovider = \"behind\"\nmodel = \"{model}\"\nprice = {{ input = 1, output = {dollars} }}\n"
            )
        });
        fs::write(file.path(), listed.concat()).expect("it can be written");
    };
    let bills = |dollars: u64| Prices {
        input: 1_000_000_000,
        output: dollars * 1_000_000_000,
        ..Prices::default()
    };
    set(100);
    let simulated = Simulated::new().key("sk-simulated").pace(PACE);
    let provider = Provider::start(simulated.prices("echo", bills(100)));
    let url = format!("{}/v1", provider.url());
    let gateway = Gateway::start(Some(&config(&url, file.path()))).await;
    let cost = async || {
        let answer = gateway.chat(FREE, body("sim", 50, "hello")).await;
        let cost = answer.header("x-tollgate-cost").parse::<f64>();
        cost.expect("a number")
    };
    let before = cost().await;
    // It holds a third of the budget, and will hold two thirds of it.
    let question = "word ".repeat(1_000);
    let mut stream = gateway.stream(KEY, body("echo", LONG, &question)).await;
    assert!(stream.next().await.is_ok_and(|event| event.is_some()));

    set(200);
    eventually("the new price", async || {
        (cost().await > 1.5 * before).then_some(())
    })
    .await;
    let raised = provider.simulated().clone().prices("echo", bills(200));
    let is_open = raised.bill().requests.iter().any(|entry| entry.open);
    let other = gateway.chat(KEY, body("echo", LONG, &question)).await;
    while stream.next().await.expect("it ends well").is_some() {}

    assert!(is_open, "the price has come too late");
    assert_eq!(
        other.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        other.text()
    );
    assert_eq!(other.json()["error"]["code"], "insufficient_quota");
    let bill = raised.bill();
    assert!(bill.total.nano_dollars > 50_000_000, "{bill:?}");
    assert!(bill.total.nano_dollars <= 120_000_000, "{bill:?}");
    let metrics = gateway.admin("/metrics").await;
    assert!(!metrics.text().contains("tollgate_quota_overruns_total"));
    let small = gateway.chat(KEY, body("sim", 50, "hello")).await;
    assert_eq!(small.status, StatusCode::OK, "{}", small.text());
}

#[tokio::test]
async fn a_provider_that_bills_more_than_its_bound_is_blocked_until_the_prices_are_read_again() {
    let file = NamedTempFile::new().expect("there is room");
    let list = "[[models]]\nprovider = \"behind\"\nmodel = \"m\"\nprice = { input = 0.01, output = 100 }\n";
    fs::write(file.path(), list).expect("it can be written");
    // It bills two tokens of output, whatever is allowed.
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(upstream.url(), file.path()))).await;
    let ask = async |key, most| gateway.chat(key, body("m", most, "hello")).await;

    assert_eq!(ask(KEY, 2).await.status, StatusCode::OK);
    assert_eq!(ask(KEY, 1).await.status, StatusCode::OK);
    let refused = ask(KEY, 2).await;
    let free = ask(FREE, 1).await;
    let metrics = gateway.admin("/metrics").await;

    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.text()
    );
    assert_eq!(refused.json()["error"]["code"], "target_blocked");
    assert_eq!(free.status, StatusCode::OK);
    for line in [
        "tollgate_quota_overruns_total{target=\"behind/m\"} 1",
        "tollgate_quota_blocked_targets 1",
    ] {
        assert!(metrics.text().contains(line), "{line}");
    }
    let blocked = gateway.admin("/api/targets/blocked").await;
    assert_eq!(blocked.json(), json!({ "blocked": ["behind/m"] }));
    fs::write(file.path(), format!("{list}\n")).expect("it can be written");
    eventually("that it is asked again", async || {
        (ask(KEY, 2).await.status == StatusCode::OK).then_some(())
    })
    .await;
    assert!(
        gateway
            .admin("/metrics")
            .await
            .text()
            .contains("tollgate_quota_blocked_targets 0")
    );
}

fn config(url: &str, prices: &Path) -> String {
    format!(
        r#"
        [prices]
        file = "{}"
        [quota]
        patience = "10s"
        [database]
        url = "sqlite://tollgate-data/tollgate.db"
        [[keys]]
        id = "caller"
        key = "{KEY}"
        quota = {{ budget = {{ usd = 0.12, every = "total", hard = true }} }}
        [[keys]]
        id = "free"
        key = "{FREE}"
        [[providers]]
        name = "behind"
        base_url = "{url}"
        api_key = "sk-simulated"
        [[models]]
        name = "*"
        targets = [{{ provider = "behind", model = "*" }}]
        "#,
        prices.display()
    )
}

fn body(model: &str, most: u64, question: &str) -> Value {
    json!({ "model": model, "max_tokens": most, "messages": [{ "role": "user", "content": question }] })
}

/// As much as `echo` gives, and a little more: it keeps to no limit.
const LONG: u64 = 340;

/// The stream is open for some seconds: prices are read once a second.
const PACE: Duration = Duration::from_millis(12);

const KEY: &str = "tg-priced-0123456789abcdef";
const FREE: &str = "tg-free-0123456789abcdefgh";
