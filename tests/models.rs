//! Models as the configuration gives them: patterns, prices, abilities, and where data may go.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_tests::{Gateway, eventually};

#[tokio::test]
async fn data_goes_only_to_targets_of_its_class() {
    let gateway = Gateway::start(Some(CLASSES)).await;

    for (key, model, expected) in [
        (OPEN, "anywhere", StatusCode::OK),
        (SECRET, "anywhere", StatusCode::FORBIDDEN),
        (SECRET, "inside", StatusCode::OK),
        // The first target is refused for this caller, so the second serves.
        (SECRET, "both", StatusCode::OK),
    ] {
        let answer = gateway.chat(key, chat(model)).await;
        assert_eq!(answer.status, expected, "{key} {model} {answer:?}");
    }
}

#[tokio::test]
async fn a_pattern_passes_the_rest_of_the_name_on() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let answer = gateway.chat(KEY, chat("any/sim-echo")).await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["model"], "sim-echo");
    let unknown = gateway.chat(KEY, chat("other/sim-echo")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_call_that_no_target_can_serve_is_refused_with_what_it_needs() {
    let gateway = Gateway::start(Some(CONFIG)).await;
    let mut asked = chat("plain");
    asked["tools"] = json!([{ "type": "function", "function": { "name": "f" } }]);

    let answer = gateway.chat(KEY, asked).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("tools"), "{message}");
}

#[tokio::test]
async fn an_answer_says_what_it_cost_by_the_price_beside_its_target() {
    let gateway = Gateway::start(Some(CONFIG)).await;

    let answer = gateway.chat(KEY, chat("plain")).await;

    let usage = &answer.json()["usage"];
    let count = |name: &str| usage[name].as_u64().expect("a count");
    // 2 and 10 dollars for a million tokens.
    let nanos = count("prompt_tokens") * 2_000 + count("completion_tokens") * 10_000;
    let cost: f64 = answer.header("x-tollgate-cost").parse().expect("a number");
    assert!((cost - nanos as f64 / 1e9).abs() < 1e-12, "{cost} {usage}");
}

#[tokio::test]
async fn prices_are_read_again_when_their_file_changes() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("prices.toml");
    let listed = |input: u32| {
        format!(
            "[[models]]\nprovider = \"simulated\"\nmodel = \"sim-small\"\nprice = {{ input = {input}, output = {input} }}\n"
        )
    };
    fs::write(&file, listed(1)).expect("the file can be written");
    let config = format!(
        "{CONFIG}\n[prices]\nfile = {:?}\n",
        file.display().to_string()
    );
    let gateway = Gateway::start(Some(&config)).await;
    let cost = async || {
        let answer = gateway.chat(KEY, chat("small")).await;
        answer
            .header("x-tollgate-cost")
            .parse::<f64>()
            .expect("a number")
    };
    let before = cost().await;

    fs::write(&file, listed(3)).expect("the file can be written");

    eventually("the new price holds", async || {
        ((cost().await - 3.0 * before).abs() < 1e-12).then_some(())
    })
    .await;
    fs::write(&file, "nonsense").expect("the file can be written");
    let after = cost().await;
    assert!(
        (after - 3.0 * before).abs() < 1e-12,
        "what cannot be read changes nothing"
    );
}

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] })
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
const OPEN: &str = "tg-open-6d1f0b9c54e2aa";
const SECRET: &str = "tg-secret-6d1f0b9c54e2";

const CONFIG: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"

    [[models]]
    name = "small"
    targets = [{ provider = "simulated", model = "sim-small" }]
    [[models]]
    name = "any/*"
    targets = [{ provider = "simulated", model = "*" }]
    [[models]]
    name = "plain"
    targets = [{ provider = "simulated", model = "sim-plain", abilities = { tools = false }, price = { input = 2, output = 10 } }]

    [simulated]
    enabled = true
"#;

const CLASSES: &str = r#"
    [[keys]]
    id = "open"
    key = "tg-open-6d1f0b9c54e2aa"
    [[keys]]
    id = "secret"
    key = "tg-secret-6d1f0b9c54e2"
    classification = "confidential"

    [[models]]
    name = "anywhere"
    targets = [{ provider = "simulated", model = "sim-small" }]
    [[models]]
    name = "inside"
    targets = [{ provider = "simulated", model = "sim-small", classification = "restricted" }]
    [[models]]
    name = "both"
    targets = [
      { provider = "simulated", model = "sim-large" },
      { provider = "simulated-gemini", model = "sim-gemini", classification = "confidential" },
    ]

    [simulated]
    enabled = true
"#;
