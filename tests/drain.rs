//! A gateway that is asked to end lets what it has begun come to its end.

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;
use tollgate_tests::{Events, Gateway, eventually};

#[tokio::test]
async fn every_stream_that_has_begun_is_finished() {
    let mut gateway = Gateway::start(Some(CONFIG)).await;
    let streams = join_all((0..50).map(|number| begin(&gateway, number))).await;

    gateway.terminate();

    for events in streams {
        let rest = events.rest().await.expect("the stream is whole");
        assert_eq!(rest.last().map(String::as_str), Some("[DONE]"), "{rest:?}");
    }
    let records = gateway.records(50).await;
    assert!(
        records
            .iter()
            .all(|record| record["outcome"] == "completed"),
        "{records:?}"
    );
    assert!(gateway.exit().await.success(), "{}", gateway.printed());
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_takes_no_new_connections() {
    let mut gateway = Gateway::start(Some(CONFIG)).await;
    let events = begin(&gateway, 0).await;

    gateway.terminate();

    let address = gateway.url().trim_start_matches("http://").to_owned();
    eventually("a refused connection", async || {
        tokio::net::TcpStream::connect(&address).await.err()
    })
    .await;
    assert_ne!(gateway.admin("/readyz").await.status, StatusCode::OK);
    assert!(events.rest().await.is_ok());
    assert!(gateway.exit().await.success(), "{}", gateway.printed());
}

#[tokio::test]
async fn a_stream_that_outlasts_the_drain_is_recorded_as_cancelled() {
    let config = CONFIG.replace("drain = \"30s\"", "drain = \"100ms\"");
    let mut gateway = Gateway::start(Some(&config)).await;
    let events = begin(&gateway, 0).await;

    gateway.terminate();

    assert!(events.rest().await.is_err(), "the stream is cut");
    let records = gateway.records(1).await;
    assert_eq!(records[0]["outcome"], "cancelled", "{records:?}");
    assert!(
        records[0]["usage"]["output"].as_u64() > Some(0),
        "{records:?}"
    );
    assert!(gateway.exit().await.success(), "{}", gateway.printed());
}

#[tokio::test]
async fn without_anything_to_finish_it_ends_at_once() {
    let mut gateway = Gateway::start(Some(CONFIG)).await;

    gateway.terminate();

    assert!(gateway.exit().await.success(), "{}", gateway.printed());
}

/// A stream of which the first event has come.
async fn begin(gateway: &Gateway, number: u32) -> Events {
    let question = json!([{ "role": "user", "content": number.to_string() }]);
    let mut events = gateway
        .stream(KEY, json!({ "model": "small", "messages": question }))
        .await;
    let first = events.next().await.expect("the stream goes on");
    assert!(first.is_some(), "the stream has begun");
    events
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
// Some twelve events a stream: enough time for fifty of them to begin.
const CONFIG: &str = r#"
    [server]
    drain = "30s"

    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"

    [[models]]
    name = "small"
    targets = [{ provider = "simulated", model = "sim-small" }]

    [quota.default]
    requests_per_minute = 1000
    concurrency = 100

    [simulated]
    enabled = true
    pace = "200ms"
"#;
