//! Clocks that jump: a period whose budget is spent is never opened again. And what is spent at a period's end.

use std::{fs, path::PathBuf, sync::Arc, time::SystemTime};

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Gateway, Provider, faketime};

#[tokio::test]
async fn a_clock_that_jumps_by_ten_days_never_opens_a_spent_day_again() {
    let Some(scene) = Scene::new("") else {
        return;
    };
    scene.set(0);
    let mut gateway = scene.start().await;
    spend_all(&gateway).await;

    for jump in [-10, 0] {
        scene.set(jump * DAY);
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
        // Nor for one that was not there when the clock jumped.
        drop(gateway);
        gateway = scene.start().await;
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
    }

    // The clock of the authority is the only one there is here: ten days on, another day has begun.
    scene.set(10 * DAY);
    drop(gateway);
    let gateway = scene.start().await;
    assert_eq!(ask(&gateway).await, StatusCode::OK);
    spend_all(&gateway).await;
    for jump in [0, -10, 10] {
        scene.set(jump * DAY);
        assert_eq!(ask(&gateway).await, StatusCode::TOO_MANY_REQUESTS, "{jump}");
    }
}

#[tokio::test]
async fn what_is_spent_just_before_midnight_is_spent_of_both_days_if_the_budget_is_strict() {
    let strict = r#"calendar = "strict""#;
    let (noon, late) = (DAY / 2, DAY - 5 * 60);
    let spent = StatusCode::TOO_MANY_REQUESTS;
    for (terms, time, expected) in [
        (strict, late, spent),
        (strict, noon, StatusCode::OK),
        ("", late, StatusCode::OK),
    ] {
        let Some(scene) = Scene::new(terms) else {
            return;
        };
        scene.set(scene.until_midnight + time);
        let gateway = scene.start().await;
        spend_all(&gateway).await;
        drop(gateway);

        scene.set(scene.until_midnight + DAY + 60 * 60);
        let gateway = scene.start().await;
        assert_eq!(ask(&gateway).await, expected, "{terms} {time}");
        spend(&gateway).await;
        drop(gateway);

        // The day after that knows of nothing.
        scene.set(scene.until_midnight + 2 * DAY + 60 * 60);
        let gateway = scene.start().await;
        assert_eq!(ask(&gateway).await, StatusCode::OK, "{terms} {time}");
    }
}

#[tokio::test]
async fn a_strict_budget_does_not_trust_a_clock_that_goes_back() {
    let Some(scene) = Scene::new(r#"calendar = "strict""#) else {
        return;
    };
    scene.set(10 * DAY);
    let gateway = scene.start().await;
    assert_eq!(ask(&gateway).await, StatusCode::OK);
    drop(gateway);

    for (jump, expected) in [(0, StatusCode::SERVICE_UNAVAILABLE), (10, StatusCode::OK)] {
        scene.set(jump * DAY);
        let gateway = scene.start().await;
        assert_eq!(ask(&gateway).await, expected, "{jump}");
    }
}

/// A provider, and gateways one after the other in one folder, whose clock is set by hand.
struct Scene {
    provider: Provider,
    folder: Arc<TempDir>,
    clock: PathBuf,
    library: &'static str,
    terms: &'static str,
    /// In seconds, as the scene begins.
    until_midnight: i64,
}

impl Scene {
    /// With these terms of a daily budget; nothing if clocks cannot be set here.
    fn new(terms: &'static str) -> Option<Self> {
        let library = faketime()?;
        let folder = Arc::new(TempDir::new().expect("there is room for a folder"));
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since.expect("it is after 1970").as_secs().cast_signed();
        Some(Self {
            provider: Provider::start(Simulated::new().key("sk-simulated")),
            clock: folder.path().join("clock"),
            folder,
            library,
            terms,
            until_midnight: DAY - now % DAY,
        })
    }

    /// Sets the clock so many seconds ahead.
    fn set(&self, ahead: i64) {
        fs::write(&self.clock, format!("{ahead:+}")).expect("the folder can be written to");
    }

    async fn start(&self) -> Gateway {
        let environment = [
            ("LD_PRELOAD", self.library),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.clock.to_str().expect("it is text"),
            ),
            ("FAKETIME_NO_CACHE", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        let config = config(&self.provider, self.terms);
        Gateway::start_in(Arc::clone(&self.folder), Some(&config), &environment).await
    }
}

async fn spend_all(gateway: &Gateway) {
    assert!(spend(gateway).await > 0, "the budget has a beginning");
}

/// Asks as often as it is answered.
async fn spend(gateway: &Gateway) -> usize {
    let mut passed = 0;
    while ask(gateway).await == StatusCode::OK {
        passed += 1;
        assert!(passed < 1000, "the budget has an end");
    }
    passed
}

async fn ask(gateway: &Gateway) -> StatusCode {
    let body = json!({
        "model": "sim",
        "max_tokens": 10,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    gateway.chat(KEY, body).await.status
}

fn config(provider: &Provider, terms: &str) -> String {
    let terms = [r#"usd = 0.01, every = "day", hard = true"#, terms];
    let budget = terms.map(str::trim).join(", ");
    let budget = budget.trim_end_matches(", ");
    format!(
        r#"
        [quota]
        patience = "10s"
        [database]
        url = "sqlite://tollgate-data/tollgate.db"
        [[keys]]
        id = "caller"
        key = "{KEY}"
        quota = {{ budget = {{ {budget} }} }}
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

/// In seconds.
const DAY: i64 = 24 * 60 * 60;
const KEY: &str = "tg-clock-0123456789abcdef";
