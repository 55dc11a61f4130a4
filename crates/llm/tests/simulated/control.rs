use serde_json::{Value, json};

use super::client::{Provider, provider};
use tollgate_llm::simulated::{Fault, Step};

async fn chat(provider: &Provider, model: &str) -> super::client::Answer {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "x" }] });
    provider.openai("/v1/chat/completions", &body).await
}

async fn control(provider: &Provider, call: &str, body: Value) -> super::client::Answer {
    let method = if body.is_null() { "GET" } else { "POST" };
    provider
        .send(method, &format!("/_control/{call}"), &[], &body.to_string())
        .await
}

#[tokio::test]
async fn a_script_answers_the_next_requests_in_order_and_each_model_its_own() {
    let provider = provider().await;
    let steps = json!([
        { "status": 500, "message": "sorry", "times": 2 },
        { "model": "other", "text": "for another" },
        { "status": 429, "code": "slow_down", "retry_after": 7, "headers": { "x-should-retry": "false" } },
        {},
        { "faults": ["no-usage"] },
    ]);

    let queued = control(&provider, "script", steps).await.json();
    let mut answers = Vec::new();
    for model in ["m", "m", "m", "m", "m", "other", "m"] {
        answers.push(chat(&provider, model).await);
    }

    assert_eq!(queued, json!({ "queued": 5 }));
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [500, 500, 429, 200, 200, 200, 200]);
    assert_eq!(answers[0].json()["error"]["message"], "sorry");
    assert_eq!(answers[2].json()["error"]["code"], "slow_down");
    assert_eq!(answers[2].headers["retry-after"], "7");
    assert_eq!(answers[2].headers["x-should-retry"], "false");
    assert!(answers[3].json()["usage"].is_object() && answers[4].json()["usage"].is_null());
    assert_eq!(
        answers[5].json()["choices"][0]["message"]["content"],
        "for another"
    );
}

#[tokio::test]
async fn a_script_can_be_written_in_rust_as_well() {
    let provider = provider().await;
    provider.own.script([
        Step::status(503).times(2),
        Step::fault(Fault::Nonsense),
        Step::good().text("so"),
    ]);

    let statuses = [
        chat(&provider, "m").await.status,
        chat(&provider, "m").await.status,
    ];
    let nonsense = chat(&provider, "m").await;
    let text = chat(&provider, "m").await.json();

    assert_eq!(statuses, [503, 503]);
    assert_eq!(nonsense.headers["content-type"], "text/html");
    assert_eq!(text["choices"][0]["message"]["content"], "so");
}

#[tokio::test]
async fn requests_are_shown_without_their_credentials() {
    let provider = provider().await;
    chat(&provider, "first").await;
    let body = json!({ "contents": [{ "parts": [{ "text": "x" }] }] }).to_string();
    let path = "/v1beta/models/m:generateContent?key=secret-key&x=1";
    let headers = [("x-goog-api-key", "secret-key"), ("x-other", "shown")];
    provider.send("POST", path, &headers, &body).await;

    let all = control(&provider, "requests", Value::Null).await;
    let last = control(&provider, "requests?last=1", Value::Null)
        .await
        .json();

    assert!(!all.body.contains("secret-key") && !all.body.contains("sk-any"));
    assert_eq!(all.json()[0]["body"]["model"], "first");
    assert_eq!(last.as_array().unwrap().len(), 1);
    assert_eq!(last[0]["headers"]["x-other"], "shown");
    assert_eq!(last[0]["headers"]["x-goog-api-key"], "[redacted]");
    assert_eq!(
        last[0]["path"],
        "/v1beta/models/m:generateContent?key=[redacted]&x=1"
    );
    assert_eq!(last[0]["number"], provider.own.bill().requests[1].number);
}

#[tokio::test]
async fn the_bill_is_told_and_a_reset_forgets_it_but_not_the_prices() {
    let provider = provider().await;
    control(&provider, "prices", json!({ "m": { "output": 5_000_000 } })).await;

    chat(&provider, "m").await;
    let bill = control(&provider, "bill", Value::Null).await.json();
    control(&provider, "script", json!({ "steps": [{ "status": 500 }] })).await;
    control(&provider, "reset", json!({})).await;
    let empty = provider.own.bill();
    let again = chat(&provider, "m").await;

    assert_eq!(bill["total"]["nano_dollars"], "35");
    assert_eq!(bill["models"]["m"]["tokens"]["output"], 7);
    assert_eq!(bill["requests"][0]["path"], "/v1/chat/completions");
    assert_eq!((empty.total.requests, empty.requests.len()), (0, 0));
    assert_eq!(again.status, 200, "the script is forgotten");
    assert_eq!(provider.own.bill().total.nano_dollars, 35);
}

#[tokio::test]
async fn a_step_that_nobody_knows_is_refused_and_named() {
    let provider = provider().await;

    let field = control(&provider, "script", json!([{ "stats": 500 }])).await;
    let fault = control(&provider, "script", json!([{ "faults": ["cut-it"] }])).await;
    let call = control(&provider, "scripts", json!([])).await;

    assert!(
        field.status == 400 && field.body.contains("stats"),
        "{}",
        field.body
    );
    assert!(
        fault.status == 400 && fault.body.contains("cut-it"),
        "{}",
        fault.body
    );
    assert_eq!(call.status, 404);
}
