//! Clocks that jump: a period whose budget is spent is never opened again.

use std::{fs, sync::Arc};

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Gateway, Provider, faketime};

#[tokio::test]
async fn a_clock_that_jumps_by_ten_days_never_opens_a_spent_day_again() {
    let Some(library) = faketime() else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let folder = Arc::new(TempDir::new().expect("there is room for a folder"));
    let clock = folder.path().join("clock");
    let set = |offset: &str| fs::write(&clock, offset).expect("the folder can be written to");
    set("+0d");
    let environment = [
        ("LD_PRELOAD", library),
        (
            "FAKETIME_TIMESTAMP_FILE",
            clock.to_str().expect("it is text"),
        ),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let start = async || {
        Gateway::start_in(Arc::clone(&folder), Some(&config(&provider)), &environment).await
    };
    let mut gateway = start().await;
    spend_all(&gateway).await;

    for jump in ["-10d", "+0d"] {
        set(jump);
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
        // Nor for one that was not there when the clock jumped.
        drop(gateway);
        gateway = start().await;
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
    }

    // The clock of the authority is the only one there is here: ten days on, another day has begun.
    set("+10d");
    drop(gateway);
    let gateway = start().await;
    assert_eq!(ask(&gateway).await, StatusCode::OK);
    spend_all(&gateway).await;
    for jump in ["+0d", "-10d", "+10d"] {
        set(jump);
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
    }
}

async fn spend_all(gateway: &Gateway) {
    let mut passed = 0;
    while ask(gateway).await == StatusCode::OK {
        passed += 1;
        assert!(passed < 1000, "the budget has an end");
    }
    assert!(passed > 0, "the budget has a beginning");
}

async fn ask(gateway: &Gateway) -> StatusCode {
    let body = json!({
        "model": "sim",
        "max_tokens": 10,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    gateway.chat(KEY, body).await.status
}

fn config(provider: &Provider) -> String {
    format!(
        r#"
        [quota]
        patience = "10s"
        [database]
        url = "sqlite://tollgate-data/tollgate.db"
        [[keys]]
        id = "caller"
        key = "{KEY}"
        quota = {{ budget = {{ usd = 0.01, every = "day", hard = true }} }}
        [[providers]]
        name = "behind"
        base_url = "{}/v1"
        api_key = "sk-simulated"
        [[models]]
        name = "sim"
        targets = [{{ provider = "behind", model = "sim", price = {{ input = 1, output = 100 }} }}]
        "#,
        provider.url()
    )
}

const KEY: &str = "tg-clock-0123456789abcdef";
