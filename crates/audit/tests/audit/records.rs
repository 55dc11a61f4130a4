use std::{
    convert::Infallible,
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tollgate_audit::AuditLayer;
use tollgate_core::{
    Digest, GateLayer, PayloadLayer, Rejection, Trail,
    fact::{
        Attempt, CacheStatus, Call, Cost, Dispatch, Failure, Finding, Findings, Operation, Phase,
        Principal, Superseded, Target, Usage,
    },
    gate_fn,
    testing::{Answer, Fault, Inner, Script, Step},
};
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use crate::support::{Memory, get};

/// Sends one request, polls its answer so often, and gives the only record.
fn record_of(answer: Answer, request: Request<Body>, polls: usize) -> Value {
    let memory = Memory::default();
    let log = memory.log();
    let refusing = GateLayer::new(gate_fn(|parts| match parts.uri.path() {
        "/refused" => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            "no_entry",
            "nobody may pass",
        )),
        _ => Ok(()),
    }));
    let mut service = AuditLayer::new(log.clone()).layer(refusing.layer(Inner::new(answer)));
    let mut cx = Context::from_waker(Waker::noop());
    let _ = catch_unwind(AssertUnwindSafe(|| {
        assert!(Service::<Request<Body>>::poll_ready(&mut service, &mut cx).is_ready());
        let mut future = pin!(service.call(request));
        let mut polls = 0..polls;
        let head = polls.find_map(|_| match future.as_mut().poll(&mut cx) {
            Poll::Ready(head) => Some(head),
            Poll::Pending => None,
        });
        let Some(Ok(response)) = head else { return };
        let mut body = pin!(response.into_body());
        for _ in polls {
            if body.is_end_stream() {
                return;
            }
            if let Poll::Ready(None | Some(Err(_))) = body.as_mut().poll_frame(&mut cx) {
                return;
            }
        }
    }));
    drop(service);
    log.close().unwrap();
    let mut records = memory.records();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn whatever_ends_a_request_it_leaves_one_line_that_says_what() {
    use Step::{Data, Error, Panic, Trailers, Wait};
    let body = |steps: &[Step]| Answer::ok(Script::new(steps.iter().copied())).after(2);
    let whole = || body(&[Wait, Data(b"abc"), Wait, Data(b"def")]);
    let not_found = || Answer::ok(Script::empty()).status(StatusCode::NOT_FOUND);
    let most = 100;
    let cases = [
        ("an answer", whole(), "/", most, Some(200), "completed"),
        (
            "an empty one",
            not_found(),
            "/",
            most,
            Some(404),
            "completed",
        ),
        (
            "trailers",
            body(&[Data(b"a"), Trailers]),
            "/",
            most,
            Some(200),
            "completed",
        ),
        (
            "a refusal",
            whole(),
            "/refused",
            most,
            Some(403),
            "completed",
        ),
        (
            "an error",
            Answer::fails(Fault::Error),
            "/",
            most,
            None,
            "failed",
        ),
        (
            "a panic",
            Answer::fails(Fault::Panic),
            "/",
            most,
            None,
            "failed",
        ),
        (
            "a panic at once",
            Answer::fails(Fault::PanicInCall),
            "/",
            most,
            None,
            "failed",
        ),
        (
            "mid-body error",
            body(&[Data(b"a"), Error]),
            "/",
            most,
            Some(200),
            "failed",
        ),
        (
            "mid-body panic",
            body(&[Data(b"a"), Panic]),
            "/",
            most,
            Some(200),
            "failed",
        ),
        ("left unpolled", whole(), "/", 0, None, "cancelled"),
        ("left before the head", whole(), "/", 2, None, "cancelled"),
        (
            "left after the head",
            whole(),
            "/",
            3,
            Some(200),
            "cancelled",
        ),
        ("left in mid-body", whole(), "/", 5, Some(200), "cancelled"),
    ];
    for (case, answer, path, polls, status, outcome) in cases {
        let record = record_of(answer, get(path), polls);

        assert_eq!(record["status"], json!(status), "{case}");
        assert_eq!(record["outcome"], outcome, "{case}");
        let refused = (path == "/refused").then_some("no_entry");
        assert_eq!(record["rejection"], json!(refused), "{case}");
    }
}

#[test]
fn to_a_head_request_the_head_is_the_end() {
    let answer = Answer::ok(Script::new([Step::Data(b"never asked for")]));
    let mut request = get("/");
    *request.method_mut() = Method::HEAD;

    let record = record_of(answer, request, 1);

    assert_eq!(record["method"], "HEAD");
    assert_eq!(record["outcome"], "completed");
}

#[tokio::test(start_paused = true)]
async fn times_are_those_of_the_request() {
    let memory = Memory::default();
    let log = memory.log();
    let service = AuditLayer::new(log.clone()).layer(service_fn(async |_: Request<Body>| {
        tokio::time::sleep(Duration::from_micros(40_500)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("answer")))
    }));

    let response = service.oneshot(get("/")).await.unwrap();
    let mut body = response.into_body();
    tokio::time::advance(Duration::from_millis(2)).await;
    body.frame().await.unwrap().unwrap();
    log.close().unwrap();

    let record = &memory.records()[0];
    // Tokio's timer rounds up to the millisecond.
    assert_eq!(record["first_byte_ms"], 43.0);
    assert_eq!(record["duration_ms"], 43.0);
    let time = record["time"].as_str().unwrap();
    assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"));
}

#[tokio::test]
async fn what_the_trail_knows_is_recorded_and_the_rest_left_out() {
    let memory = Memory::default();
    let log = memory.log();
    let service = service_fn(|mut request: Request<Full<Bytes>>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Principal::new("ci").with_team("search").with_roles(["dev"]));
        trail.set(Call::new(Operation::Chat, "fast"));
        trail.set(CacheStatus::Miss);
        trail.set(Findings(vec![Finding {
            kind: "email".into(),
            action: "redacted".into(),
            count: 2,
        }]));
        trail.note("experiment", json!({ "arm": 2 }));
        trail.note("document", "x".repeat(2000));
        let usage = |output| Usage {
            output,
            ..Usage::default()
        };
        let first = trail.child();
        first.set(Target::model("a", "m1"));
        first.set(Attempt {
            status: Some(500),
            took: Duration::from_micros(1500),
        });
        first.set(Dispatch::Yes);
        first.set(usage(3));
        first.set(Cost::from_nanos(30));
        first.set(Superseded);
        // A cache's shared call has a node of its own.
        let second = trail.child().child();
        second.set(Target::new("b"));
        second.set(usage(4));
        second.set(Cost::from_nanos(40));
        second.set(Failure {
            code: "cut_off".into(),
            phase: Phase::Body,
        });
        ready(Ok::<_, Infallible>(Response::new(request.into_body())))
    });
    let service = AuditLayer::new(log.clone()).layer(PayloadLayer::new().layer(service));
    let canary = "the canary sings";
    let request = Request::post("/v1/things?token=canary")
        .body(Body::from(canary))
        .unwrap();

    service
        .oneshot(request)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    log.close().unwrap();

    assert!(!memory.text().contains("canary"));
    let mut record = memory.records().remove(0);
    for varies in ["time", "id", "duration_ms", "first_byte_ms"] {
        assert!(
            record.as_object_mut().unwrap().remove(varies).is_some(),
            "{varies}"
        );
    }
    let usage = |output: u64| {
        json!({ "input": 0, "cache_read": 0, "cache_write": 0, "cache_write_1h": 0, "output": output,
                "reasoning": 0, "estimated": false })
    };
    assert_eq!(
        record,
        json!({
            "method": "POST",
            "path": "/v1/things",
            "status": 200,
            "outcome": "completed",
            "principal": { "key": "ci", "team": "search", "roles": ["dev"] },
            "call": { "operation": "chat", "model": "fast", "stream": false },
            "target": "b",
            "attempts": [
                { "name": "a/m1", "provider": "a", "model": "m1", "status": 500, "took_ms": 1.5,
                  "usage": usage(3), "cost_nanos": 30, "dispatch": "yes", "superseded": true },
                { "name": "b", "provider": "b", "model": "", "usage": usage(4), "cost_nanos": 40,
                  "failure": { "code": "cut_off", "phase": "body" } },
            ],
            "cache": "miss",
            "usage": usage(7),
            "cost_nanos": 70,
            "findings": [{ "kind": "email", "action": "redacted", "count": 2 }],
            "prompt": Digest::of(canary.as_bytes()).to_string(),
            "notes": { "experiment": { "arm": 2 }, "document": "(2002 bytes)" },
        })
    );
}

#[tokio::test]
async fn what_a_try_without_a_price_used_makes_the_whole_cost_unknown() {
    let memory = Memory::default();
    let log = memory.log();
    let service = service_fn(|mut request: Request<Full<Bytes>>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        for cost in [Some(Cost::from_nanos(30)), None] {
            let attempt = trail.child();
            attempt.set(Target::new("a"));
            attempt.set(Usage::default());
            if let Some(cost) = cost {
                attempt.set(cost);
            }
        }
        ready(Ok::<_, Infallible>(Response::new(request.into_body())))
    });
    let service = AuditLayer::new(log.clone()).layer(service);

    let request = Request::post("/").body(Full::default()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    response.collect().await.unwrap();
    log.close().unwrap();

    let record = memory.records().remove(0);
    assert_eq!(record.get("cost_nanos"), Some(&json!(null)), "{record}");
    assert_eq!(record["attempts"][0]["cost_nanos"], 30);
}

#[test]
fn of_a_plain_request_only_what_is_known_is_written() {
    let record = record_of(Answer::ok(Script::empty()), get("/"), 9);

    let mut members: Vec<_> = record.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "duration_ms",
            "id",
            "method",
            "outcome",
            "path",
            "status",
            "time"
        ]
    );
}

#[test]
fn an_id_of_the_callers_is_kept_if_it_is_sane() {
    let long = "x".repeat(129);
    for (sent, kept) in [
        ("req-7f3a", true),
        (&*long, false),
        ("a b", false),
        ("", false),
        ("\u{e9}", false),
    ] {
        let mut request = get("/");
        let value = http::HeaderValue::from_bytes(sent.as_bytes()).unwrap();
        request.headers_mut().insert("x-request-id", value);

        let record = record_of(Answer::ok(Script::empty()), request, 9);

        let id = record["id"].as_str().unwrap();
        assert_eq!(id == sent, kept, "{sent:?}");
        assert!(kept || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}

#[tokio::test]
async fn nobody_can_forge_a_line_or_move_a_terminals_cursor() {
    let memory = Memory::default();
    let log = memory.log();
    let evil = "\r\n{\"time\":\"forged\"}\n\u{1b}[2J\u{9b}31m\u{7f}\u{2028}\u{202e}\"\\";
    let service = AuditLayer::new(log.clone()).layer(service_fn(|mut request: Request<Body>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Principal::new(evil));
        trail.set(Call::new(Operation::Chat, evil));
        trail.note(evil, evil);
        ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    }));
    let path = format!("/%0a%1b[2J/\u{202e}\u{9b}/{}", "long".repeat(2500));
    let mut request = Request::builder()
        .uri(path.as_bytes())
        .body(Body::empty())
        .unwrap();
    let header = http::HeaderValue::from_bytes(b"\xff\xfe\x80").unwrap();
    request.headers_mut().insert("x-request-id", header);

    service.oneshot(request).await.unwrap();
    log.close().unwrap();

    let text = memory.text();
    assert!(
        text.strip_suffix('\n')
            .unwrap()
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~'))
    );
    let record = &memory.records()[0];
    assert_eq!(record["principal"]["key"], evil);
    assert_eq!(record["notes"][evil], evil);
    let written = record["path"].as_str().unwrap();
    assert!(written.len() < 2100 && written.ends_with("long…"));
    assert!(path.starts_with(written.strip_suffix('…').unwrap()));
}
