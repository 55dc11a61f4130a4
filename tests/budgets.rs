//! Budgets of money at the gateway: what passes, what is refused in which words, and what it costs in the end.

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tollgate_llm::simulated::{Prices, Simulated};
use tollgate_tests::{Answer, Gateway, Provider, eventually, run};

#[tokio::test]
async fn a_hard_budget_refuses_what_might_pass_it_and_says_so_in_the_callers_dialect() {
    let scene = Scene::start(r#"budget = { usd = 0.02, every = "month", hard = true }"#).await;

    let mut passed = 0;
    let refused = loop {
        let answer = scene.chat(50).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        passed += 1;
        assert!(passed < 200, "the budget has an end");
    };

    assert!(passed > 0);
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "insufficient_quota", "{error}");
    assert_eq!(error["type"], "insufficient_quota", "{error}");
    let message = error["message"].as_str().expect("it is text");
    assert!(message.contains("0.02"), "{message}");
    assert_eq!(scene.bill_is_within(20_000_000).await, passed);
    // A smaller call may still fit, and does not have to wait for the next month.
    assert!(!refused.header("ratelimit").is_empty());

    let message = json!({ "model": "sim", "max_tokens": 50, "messages": [{ "role": "user", "content": "hello" }] });
    let refused = scene.post("/v1/messages", message).await;
    assert_eq!(refused.json()["type"], "error");
    let content = json!({ "contents": [{ "parts": [{ "text": "hello" }] }], "generationConfig": { "maxOutputTokens": 50 } });
    let refused = scene
        .post("/v1beta/models/sim:generateContent", content)
        .await;
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
}

#[tokio::test]
async fn a_budget_is_settled_to_what_was_used_and_not_to_what_was_held() {
    // One call of 4000 tokens at most holds 0.4 of it, and uses a hundredth of that.
    let scene = Scene::start(r#"budget = { usd = 1.0, every = "total", hard = true }"#).await;

    for _ in 0..20 {
        assert_eq!(scene.chat(4000).await.status, StatusCode::OK);
    }
    scene.bill_is_within(1_000_000_000).await;
}

#[tokio::test]
async fn who_hangs_up_pays_the_whole_hold_of_a_hard_budget() {
    // Each hold is a quarter of it.
    let scene = Scene::start(r#"budget = { usd = 0.42, every = "total", hard = true }"#).await;
    for _ in 0..3 {
        let mut stream = scene.gateway.stream(KEY, body(1000)).await;
        assert!(stream.next().await.is_ok_and(|event| event.is_some()));
        drop(stream);
    }

    let refused = eventually("the fourth to be refused", async || {
        let answer = scene.chat(1000).await;
        (answer.status != StatusCode::OK).then_some(answer)
    })
    .await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    scene.bill_is_within(420_000_000).await;
}

#[tokio::test]
async fn a_drained_call_is_settled_to_what_it_used_though_its_caller_has_left() {
    let quota = "on_disconnect = \"drain\"";
    let terms = r#"budget = { usd = 0.42, every = "total", hard = true }"#;
    let scene = Scene::with(quota, terms, Simulated::new()).await;

    for _ in 0..8 {
        let mut stream = scene.gateway.stream(KEY, body(1000)).await;
        assert!(stream.next().await.is_ok_and(|event| event.is_some()));
        drop(stream);
        eventually("the end of the call", async || {
            let open = scene.provider.simulated().bill().requests;
            (!open.iter().any(|entry| entry.open)).then_some(())
        })
        .await;
    }

    let bill = scene.provider.simulated().bill();
    assert_eq!(bill.requests.len(), 8);
    assert!(bill.requests.iter().all(|entry| entry.complete));
}

#[tokio::test]
async fn a_spent_budget_is_still_spent_after_a_restart() {
    let scene = Scene::start(r#"budget = { usd = 0.02, every = "total", hard = true }"#).await;
    while scene.chat(50).await.status == StatusCode::OK {}
    let Scene {
        mut gateway,
        provider,
        config,
    } = scene;
    let folder = gateway.shared_folder();
    gateway.kill();

    let gateway = Gateway::start_in(folder, Some(&config), &[]).await;

    let scene = Scene {
        gateway,
        provider,
        config,
    };
    assert_eq!(scene.chat(50).await.status, StatusCode::TOO_MANY_REQUESTS);
    scene.bill_is_within(20_000_000).await;
}

#[tokio::test]
async fn clamped_calls_get_what_the_budget_still_holds() {
    let terms = r#"budget = { usd = 0.02, every = "total", hard = true }"#;
    let scene = Scene::with("clamp = true", terms, Simulated::new()).await;

    let answer = scene.chat(100_000).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let asked = scene.provider.simulated().requests();
    let sent = asked[0].body["max_tokens"].as_u64();
    assert!(sent.is_some_and(|most| most > 0 && most <= 200), "{sent:?}");
    scene.bill_is_within(20_000_000).await;
}

#[tokio::test]
async fn what_no_maximum_bounds_is_refused_under_a_hard_budget_only() {
    let hard = Scene::start(r#"budget = { usd = 1.0, every = "total", hard = true }"#).await;
    let mut body = body(50);
    body["web_search_options"] = json!({});

    let refused = hard.gateway.chat(KEY, body.clone()).await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["code"], "cost_unbounded");
    assert!(hard.provider.simulated().requests().is_empty());
}

#[tokio::test]
async fn a_soft_budget_lets_the_last_call_pass_it_and_refuses_the_next() {
    let scene = Scene::start(r#"budget = { usd = 0.002, every = "day" }"#).await;

    let refused = eventually("a refusal", async || {
        let answer = scene.chat(4000).await;
        (answer.status != StatusCode::OK).then_some(answer)
    })
    .await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let retry: u64 = refused
        .header("retry-after")
        .parse()
        .expect("it is a number");
    assert!((1..=86_400).contains(&retry), "{retry}");
}

#[tokio::test]
async fn an_observed_budget_refuses_nothing() {
    let scene = Scene::start(r#"budget = { usd = 0.001, every = "day", mode = "observe" }"#).await;

    for _ in 0..10 {
        assert_eq!(scene.chat(4000).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn callers_read_what_they_have_used_themselves() {
    let scene = Scene::start(r#"budget = { usd = 1.0, every = "month", hard = true }"#).await;
    for _ in 0..3 {
        scene.chat(50).await;
    }

    let rows = eventually("the sums of three calls", async || {
        let answer = scene.gateway.get("/v1/usage?group_by=model", KEY).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let page = answer.json();
        let rows = page["data"].as_array().expect("it is a list").clone();
        (rows
            .iter()
            .any(|row| row["model"] == "sim" && row["requests"] == 3))
        .then_some(rows)
    })
    .await;

    let row = rows
        .iter()
        .find(|row| row["model"] == "sim")
        .expect("it is there");
    let billed = scene.provider.simulated().bill().total.nano_dollars;
    assert_eq!(
        row["cost_nanos"].as_u64().map(u128::from),
        Some(billed),
        "{row}"
    );
}

#[test]
fn a_hard_budget_without_a_place_to_be_safe_is_an_error_that_says_what_to_do() {
    let folder = tempfile::TempDir::new().expect("there is room for a folder");
    let check = |more: &str| {
        let config = format!(
            "{more}\n[quota.default]\nbudget = {{ usd = 5, every = \"day\", hard = true }}\n[simulated]\nenabled = true\n\
             [[models]]\nname = \"sim\"\ntargets = [{{ provider = \"simulated\", model = \"sim\" }}]\n"
        );
        std::fs::write(folder.path().join("c.toml"), config).expect("it can be written");
        run(folder.path(), &["check", "--config", "c.toml"])
    };

    let refused = check("");

    assert!(!refused.success);
    assert!(refused.stderr.contains("[database]"), "{refused:?}");
    assert!(refused.stderr.contains("volatile"), "{refused:?}");
    assert!(check("[quota]\nvolatile = true").success);
    assert!(check("[database]\nurl = \"sqlite://x.db\"").success);
}

/// A gateway before a provider that keeps its own books.
struct Scene {
    gateway: Gateway,
    provider: Provider,
    config: String,
}

impl Scene {
    async fn start(terms: &str) -> Self {
        Self::with("", terms, Simulated::new()).await
    }

    async fn with(quota: &str, terms: &str, simulated: Simulated) -> Self {
        let prices = Prices {
            input: 1_000_000_000,
            output: 100_000_000_000,
            ..Prices::default()
        };
        let simulated = simulated.key("sk-simulated").prices("sim", prices);
        let provider = Provider::start(simulated.pace(Duration::from_millis(1)));
        let config = format!(
            r#"
            [quota]
            patience = "10s"
            {quota}
            [database]
            url = "sqlite://tollgate-data/tollgate.db"
            [[keys]]
            id = "caller"
            key = "{KEY}"
            quota = {{ {terms} }}
            [[providers]]
            name = "behind"
            base_url = "{}/v1"
            api_key = "sk-simulated"
            [[models]]
            name = "sim"
            targets = [{{ provider = "behind", model = "sim", price = {{ input = 1, output = 100 }}, max_output = 4096 }}]
            "#,
            provider.url()
        );
        let gateway = Gateway::start(Some(&config)).await;
        Self {
            gateway,
            provider,
            config,
        }
    }

    async fn chat(&self, max_tokens: u64) -> Answer {
        self.gateway.chat(KEY, body(max_tokens)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let request: Request<Full<_>> = self.gateway.post(path, KEY, body.to_string());
        assert!(request.headers().contains_key(header::AUTHORIZATION));
        self.gateway.send(request).await
    }

    /// Holds the provider's own bill against the budget, and says how many requests are on it.
    async fn bill_is_within(&self, nanos: u128) -> usize {
        let bill = eventually("the end of all answers", async || {
            let bill = self.provider.simulated().bill();
            (!bill.requests.iter().any(|entry| entry.open)).then_some(bill)
        })
        .await;
        let billed = bill.total.nano_dollars;
        assert!(billed <= nanos, "{billed} of {nanos}");
        bill.requests.len()
    }
}

fn body(max_tokens: u64) -> Value {
    json!({
        "model": "sim",
        "max_tokens": max_tokens,
        "messages": [{ "role": "user", "content": "hello" }],
    })
}

const KEY: &str = "tg-budget-0123456789abcdef";
