//! The gateway as OpenAI's SDK for Python finds it.

use tollgate_tests::{Gateway, python, run_script};

#[tokio::test]
async fn the_openai_sdk_gets_answers_streams_and_typed_errors() {
    let Some(python) = python("the OpenAI SDK for Python") else {
        return;
    };
    let (gateway, tight) = (
        Gateway::start(Some(CONFIG)).await,
        Gateway::start(Some(TIGHT)).await,
    );

    let ran = run_script(
        &python,
        "sdk/openai_sdk.py",
        &[
            ("BASE_URL", &format!("{}/v1", gateway.url())),
            ("TIGHT_URL", &format!("{}/v1", tight.url())),
            ("KEY", "tg-alice-6d1f0b9c54e2"),
            ("NARROW_KEY", "tg-bob-95a0e3c7d812"),
        ],
    );

    assert!(
        ran.success,
        "{}\n{}\n{}",
        ran.stdout,
        ran.stderr,
        gateway.printed()
    );
}

const CONFIG: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"
    [[keys]]
    id = "bob"
    key = "tg-bob-95a0e3c7d812"
    models = ["embed"]

    [[models]]
    name = "small"
    targets = [{ provider = "simulated", model = "sim-small" }]
    [[models]]
    name = "embed"
    targets = [{ provider = "simulated", model = "sim-embed" }]
    [[models]]
    name = "cut"
    targets = [{ provider = "simulated", model = "sim-cut" }]
    [[models]]
    name = "failing"
    targets = [{ provider = "simulated", model = "sim-error-500" }]

    [simulated]
    enabled = true
"#;

const TIGHT: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"

    [[models]]
    name = "small"
    targets = [{ provider = "simulated", model = "sim-small" }]

    [quota.default]
    requests_per_minute = 1

    [simulated]
    enabled = true
"#;
