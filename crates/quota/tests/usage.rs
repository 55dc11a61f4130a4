//! Usage: what is counted, and that it reaches its store once.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use jiff::civil::Date;
use tokio::time::{Instant, sleep};
use tollgate_core::{
    Trail,
    fact::{Call, Cost, Operation, Principal, Superseded, Target, Usage},
    testing::Contract,
};
use tollgate_quota::usage::{
    MemoryUsage, RollUp, Storing, UsageBatch, UsageError, UsageField, UsageLayer, UsageQuery,
    UsageRow, UsageStore, UsageSums,
};
use tower::{Layer, ServiceExt, service_fn};

#[test]
fn counting_keeps_the_contract() {
    let layer = || UsageLayer::new(RollUp::new(MemoryUsage::new()));

    Contract::new(move |inner| layer().layer(inner)).check();
}

#[tokio::test(start_paused = true)]
async fn each_attempt_counts_for_its_target_and_the_request_for_the_one_that_served() {
    let rows = count(
        |trail| {
            attempt(trail, "a", 10, Some(100));
            attempt(trail, "b", 20, None);
            attempt(trail, "c", 30, Some(300)).set(Superseded);
        },
        StatusCode::OK,
    )
    .await;

    let found: Vec<_> = rows.iter().map(|row| (&*row.by[0].1, row.sums)).collect();
    let sums = |requests, input, cost_nanos, unpriced| UsageSums {
        requests,
        input,
        cost_nanos,
        unpriced,
        ..UsageSums::default()
    };
    assert_eq!(
        found,
        [
            ("a", sums(0, 10, 100, 0)),
            ("b", sums(1, 20, 0, 1)),
            ("c", sums(0, 30, 300, 0)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_as_failed_and_the_name_of_a_model_that_leads_nowhere_is_not_kept() {
    let store = MemoryUsage::new();
    let roll_up = RollUp::new(store.clone());
    let refuse = |trail: &Trail| trail.set(Call::new(Operation::Chat, "any text"));

    ask(&roll_up, refuse, StatusCode::NOT_FOUND).await;
    roll_up.close().await;

    let rows = store.query(all().by(UsageField::Model)).await.unwrap();
    assert_eq!(rows[0].by, [(UsageField::Model, String::new())]);
    assert_eq!((rows[0].sums.requests, rows[0].sums.failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn strangers_who_used_nothing_are_not_counted() {
    let store = MemoryUsage::new();
    let roll_up = RollUp::new(store.clone());
    let service = UsageLayer::new(roll_up.clone()).layer(service_fn(async |_| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));

    let answer = service.oneshot(Request::new(())).await.unwrap();
    answer.into_body().collect().await.unwrap();
    roll_up.close().await;

    assert_eq!(store.query(all()).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_is_counted() {
    let store = MemoryUsage::new();
    let roll_up = RollUp::new(store.clone());
    let service = UsageLayer::new(roll_up.clone()).layer(service_fn(async |request| {
        used(&request, |trail| drop(attempt(trail, "a", 10, None)));
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("unread")))
    }));

    drop(service.oneshot(signed()).await.unwrap());
    roll_up.close().await;

    let rows = store.query(all()).await.unwrap();
    assert_eq!(
        (
            rows[0].sums.requests,
            rows[0].sums.failed,
            rows[0].sums.input
        ),
        (1, 1, 10)
    );
}

#[tokio::test(start_paused = true)]
async fn an_estimate_is_told_from_the_providers_word() {
    let rows = count(
        |trail| {
            attempt(trail, "a", 10, Some(1));
            attempt(trail, "a", 10, Some(1)).update(|usage: &mut Usage| usage.estimated = true);
        },
        StatusCode::OK,
    )
    .await;

    assert_eq!((rows[0].sums.input, rows[0].sums.estimated), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_comes_again_the_same_and_nothing_is_lost() {
    let store = Failing::new(3);
    let roll_up = RollUp::new(store.clone());
    let one = |trail: &Trail| drop(attempt(trail, "a", 1, None));

    ask(&roll_up, one, StatusCode::OK).await;
    sleep(Duration::from_millis(2_500)).await; // it has failed twice
    ask(&roll_up, one, StatusCode::OK).await;
    sleep(Duration::from_secs(3)).await;
    roll_up.close().await;

    let seen = store.seen.lock().unwrap();
    let numbers: Vec<u64> = seen.iter().map(|batch| batch.number).collect();
    assert_eq!(numbers, [1, 1, 1, 1, 2]);
    assert!(seen[..4].iter().all(|batch| *batch == seen[0]));
    let requests = |batch: &UsageBatch| batch.rows.iter().map(|row| row.1.requests).sum::<u64>();
    assert_eq!((requests(&seen[3]), requests(&seen[4])), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_good_does_not_hold_up_the_end() {
    let roll_up = RollUp::new(Failing::new(usize::MAX));
    ask(&roll_up, |_| {}, StatusCode::OK).await;
    let started = Instant::now();

    roll_up.close().await;

    assert!(started.elapsed() <= Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_that_is_dropped_hands_over_what_is_left() {
    let store = Failing::new(0);
    let roll_up = RollUp::new(store.clone());
    ask(&roll_up, |_| {}, StatusCode::OK).await;

    drop(roll_up);
    sleep(Duration::from_millis(1)).await;

    assert_eq!(store.seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_to_be_told_apart_is_counted_together() {
    let store = Failing::new(0);
    let roll_up = RollUp::new(store.clone());
    for target in 0..20_000 {
        // Nothing yields: no batch can be sent early.
        let node = |trail: &Trail| drop(attempt(trail, &target.to_string(), 1, None));
        ask(&roll_up, node, StatusCode::OK).await;
    }
    roll_up.close().await;

    let seen = store.seen.lock().unwrap();
    let rows: Vec<_> = seen.iter().flat_map(|batch| &batch.rows).collect();
    assert!(rows.len() < 17_000, "{}", rows.len());
    assert!(rows.iter().any(|(key, _)| key.model == "(other)"));
    assert_eq!(rows.iter().map(|(_, sums)| sums.input).sum::<u64>(), 20_000);
}

#[test]
fn a_row_is_written_flat() {
    let row = UsageRow {
        by: vec![
            (UsageField::Day, "2026-11-23".into()),
            (UsageField::Team, "search".into()),
        ],
        sums: UsageSums {
            requests: 7,
            ..UsageSums::default()
        },
    };

    let written = serde_json::to_string(&row).unwrap();

    let begins = r#"{"day":"2026-11-23","team":"search","requests":7,"failed":0,"#;
    assert!(written.starts_with(begins), "{written}");
}

/// What was counted of one request, by provider.
async fn count(facts: impl Fn(&Trail), status: StatusCode) -> Vec<UsageRow> {
    let store = MemoryUsage::new();
    let roll_up = RollUp::new(store.clone());
    ask(&roll_up, facts, status).await;
    roll_up.close().await;
    store.query(all().by(UsageField::Provider)).await.unwrap()
}

async fn ask(roll_up: &RollUp, facts: impl Fn(&Trail), status: StatusCode) {
    let service = UsageLayer::new(roll_up.clone()).layer(service_fn(async |request| {
        used(&request, &facts);
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    }));
    let answer = service.oneshot(signed()).await.unwrap();
    answer.into_body().collect().await.unwrap();
}

fn used(request: &Request<()>, facts: impl Fn(&Trail)) {
    let trail: &Trail = request.extensions().get().unwrap();
    trail.set(Principal::new("key-1").with_team("search"));
    facts(trail);
}

fn attempt(trail: &Trail, target: &str, input: u64, cost: Option<i64>) -> Trail {
    let node = trail.child();
    node.set(Target::new(target));
    node.set(Usage {
        input,
        ..Usage::default()
    });
    if let Some(nanos) = cost {
        node.set(Cost::from_nanos(nanos));
    }
    node
}

fn signed() -> Request<()> {
    Request::new(())
}

fn all() -> UsageQuery {
    UsageQuery::new(Date::MIN, Date::MAX)
}

/// A store that fails so many times, and remembers what it was given.
#[derive(Clone, Debug)]
struct Failing {
    left: Arc<Mutex<usize>>,
    seen: Arc<Mutex<Vec<UsageBatch>>>,
}

impl Failing {
    fn new(times: usize) -> Self {
        Self {
            left: Arc::new(Mutex::new(times)),
            seen: Arc::default(),
        }
    }
}

impl UsageStore for Failing {
    fn add(&self, batch: Arc<UsageBatch>) -> Storing<()> {
        self.seen.lock().unwrap().push((*batch).clone());
        let mut left = self.left.lock().unwrap();
        let fails = *left > 0;
        *left = left.saturating_sub(1);
        Box::pin(async move {
            match fails {
                true => Err(UsageError::new("away")),
                false => Ok(()),
            }
        })
    }

    fn query(&self, _: UsageQuery) -> Storing<Vec<UsageRow>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
