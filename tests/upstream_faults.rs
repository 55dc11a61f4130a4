//! Whatever a provider does: an error in the caller's dialect, and a record that says which fault it was.

use serde_json::{Value, json};
use tollgate_tests::{Answer, Behaviour, Events, Gateway, Upstream};

#[tokio::test]
async fn before_the_first_byte_a_fault_is_an_error_in_the_dialect() {
    use Behaviour::{CutsMidAnswer, IsDown, IsSilent, Refuses, SendsHtml, SpeaksNoHttp};
    let cases = [
        (IsDown, 502, "connect_failed"),
        (SpeaksNoHttp, 502, "upstream_failed"),
        (CutsMidAnswer, 502, "answer_cut"),
        (SendsHtml, 502, "answer_invalid"),
        (IsSilent, 504, "timeout"),
        (Refuses(500), 500, ""),
        (Refuses(503), 503, ""),
        (Refuses(429), 429, ""),
    ];

    for (behaviour, status, failure) in cases {
        let upstream = Upstream::start(behaviour);
        let gateway = Gateway::start(Some(&config(&[&upstream]))).await;

        let answer = gateway.chat(KEY, hello()).await;

        assert_eq!(answer.status, status, "{behaviour:?}: {answer:?}");
        answer.error();
        let record = gateway.records(1).await.remove(0);
        assert_eq!(record["status"], status, "{behaviour:?}: {record}");
        assert_eq!(record["target"], "p0/x", "{behaviour:?}: {record}");
        if failure.is_empty() {
            assert_eq!(
                record["attempts"][0]["status"], status,
                "{behaviour:?}: {record}"
            );
        } else {
            assert_eq!(
                failure_of(&record)["code"],
                failure,
                "{behaviour:?}: {record}"
            );
        }
    }
}

#[tokio::test]
async fn after_the_first_byte_a_fault_is_the_last_event_of_the_stream() {
    let cases = [
        (Behaviour::CutsMidStream, "stream_cut"),
        (Behaviour::StopsMidStream, "timeout"),
    ];

    for (behaviour, failure) in cases {
        let upstream = Upstream::start(behaviour);
        let gateway = Gateway::start(Some(&config(&[&upstream]))).await;

        let events = gateway.stream(KEY, hello()).await;
        let (mut events, broken) = until_the_end(events).await;

        assert!(!broken, "{behaviour:?}: the connection broke off");
        let last: Value =
            serde_json::from_str(&events.pop().expect("there are events")).expect("it is JSON");
        assert_eq!(
            last["error"]["type"], "server_error",
            "{behaviour:?}: {last}"
        );
        assert_eq!(
            events.len(),
            2,
            "{behaviour:?}: what came before is passed on: {events:?}"
        );
        let record = gateway.records(1).await.remove(0);
        assert_eq!(record["status"], 200, "{behaviour:?}: {record}");
        assert_eq!(record["outcome"], "failed", "{behaviour:?}: {record}");
        assert_eq!(
            failure_of(&record)["code"],
            failure,
            "{behaviour:?}: {record}"
        );
        assert_eq!(
            failure_of(&record)["phase"],
            "body",
            "{behaviour:?}: {record}"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_passed_over_for_one_that_answers() {
    let (down, up) = (
        Upstream::start(Behaviour::IsDown),
        Upstream::start(Behaviour::Answers),
    );
    let gateway = Gateway::start(Some(&config(&[&down, &up]))).await;

    for number in 0..10 {
        let answer = gateway.chat(KEY, asked(&number.to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    assert_eq!(up.seen().len(), 10);
    let records = gateway.records(10).await;
    assert!(
        records.iter().all(|record| record["target"] == "p1/x"),
        "{records:?}"
    );
    let tried_twice = records.iter().filter(|record| {
        record["attempts"]
            .as_array()
            .is_some_and(|it| it.len() == 2)
    });
    assert!(tried_twice.count() > 0, "{records:?}");
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone() {
    let upstream = Upstream::start(Behaviour::Refuses(500));
    let gateway = Gateway::start(Some(&config(&[&upstream]))).await;

    let mut last: Option<Answer> = None;
    for number in 0..10 {
        last = Some(gateway.chat(KEY, asked(&number.to_string())).await);
    }

    let last = last.expect("ten were asked");
    assert_eq!(last.status, 503, "{last:?}");
    let code = last.error()["code"].take();
    // The balancer remembers until when the breaker has refused.
    assert!(
        code == "circuit_open" || code == "targets_unavailable",
        "{last:?}"
    );
    assert!(!last.header("retry-after").is_empty(), "{last:?}");
    assert_eq!(
        upstream.seen().len(),
        5,
        "the breaker opens at five failures in a row"
    );
}

#[tokio::test]
async fn an_answer_that_broke_off_is_not_kept() {
    let upstream = Upstream::start(Behaviour::CutsMidStream);
    let config = format!("{}\n[cache]\nttl = \"1h\"\n", config(&[&upstream]));
    let gateway = Gateway::start(Some(&config)).await;

    for _ in 0..2 {
        until_the_end(gateway.stream(KEY, hello()).await).await;
    }

    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn when_the_client_leaves_so_does_the_request_to_the_provider() {
    let upstream = Upstream::start(Behaviour::StopsMidStream);
    let gateway = Gateway::start(Some(&config(&[&upstream]))).await;
    let mut events = gateway.stream(KEY, hello()).await;
    events
        .next()
        .await
        .expect("the stream goes on")
        .expect("it has begun");

    drop(events);

    let record = gateway.records(1).await.remove(0);
    assert_eq!(record["outcome"], "cancelled", "{record}");
}

/// All events, and whether the connection broke off after them.
async fn until_the_end(mut events: Events) -> (Vec<String>, bool) {
    let mut all = Vec::new();
    loop {
        match events.next().await {
            Ok(Some(event)) => all.push(event),
            Ok(None) => return (all, false),
            Err(_) => return (all, true),
        }
    }
}

/// The fault, at the request or at its last attempt.
fn failure_of(record: &Value) -> &Value {
    let last = record["attempts"]
        .as_array()
        .and_then(|attempts| attempts.last());
    match last {
        Some(attempt) if !attempt["failure"].is_null() => &attempt["failure"],
        _ => &record["failure"],
    }
}

fn hello() -> Value {
    asked("hello")
}

fn asked(text: &str) -> Value {
    json!({ "model": "fast", "messages": [{ "role": "user", "content": text }] })
}

/// Providers `p0`, `p1` and so on, which all serve the model `fast` as their `x`.
fn config(upstreams: &[&Upstream]) -> String {
    let providers: String = upstreams
        .iter()
        .enumerate()
        .map(|(number, upstream)| {
            format!(
                "[[providers]]\nname = \"p{number}\"\ndialect = \"openai\"\nbase_url = \"{}\"\napi_key = \"sk-x\"\n",
                upstream.url(),
            )
        })
        .collect();
    let targets: Vec<String> = (0..upstreams.len())
        .map(|number| format!("{{ provider = \"p{number}\", model = \"x\" }}"))
        .collect();
    format!(
        r#"
        [[keys]]
        id = "alice"
        key = "{KEY}"
        {providers}
        [[models]]
        name = "fast"
        targets = [{}]
        [timeout]
        first_byte = "1s"
        idle = "1s"
        [breaker]
        consecutive_failures = 5
        wait = "30s"
        "#,
        targets.join(", "),
    )
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
