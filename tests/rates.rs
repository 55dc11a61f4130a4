//! Rates at their limit: four processes take from one account as fast as they can, and no window holds more than the limit.
//!
//! `TOLLGATE_RATES_DECISIONS` sets how many decisions each run makes (1000000 for the whole). Only then is it held against
//! the rate how little was left unused, for a process that has to wait for a processor loses its leases.
//!
//! Each take that was admitted is known by a bracket: when it was asked for, and when it was told. What a window is charged
//! with has its whole bracket in it, so more than the limit is never a false alarm; what lies on a window's edge may be
//! missed, and how much could lie there is printed.

#[path = "rates/caller.rs"]
mod caller;
#[path = "rates/plan.rs"]
mod plan;
#[path = "rates/takes.rs"]
mod takes;

use std::{env, time::Instant};

use tempfile::TempDir;
use tokio::sync::Mutex;
use tollgate_tests::Redis;

use crate::{
    caller::clock,
    plan::{DIRECT, LEASED, PROCESSES, Plan, WEIGHTED},
    takes::Takes,
};

#[tokio::test]
async fn four_processes_that_ask_for_each_take_admit_no_more_than_the_limit() {
    run(&DIRECT).await;
}

#[tokio::test]
async fn four_processes_with_leases_admit_no_more_than_the_limit_and_hardly_less() {
    run(&LEASED).await;
}

#[tokio::test]
async fn four_processes_with_leases_hold_the_limit_for_takes_of_any_weight() {
    run(&WEIGHTED).await;
}

/// Not a test: what the others start as a process of its own.
#[tokio::test]
#[ignore = "the other tests start it"]
async fn a_process() {
    if let Ok(name) = env::var(caller::PLAN) {
        caller::run(Plan::named(&name)).await;
    }
}

async fn run(plan: &Plan) {
    // They would take the processors from each other.
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    let Some(mut redis) = Redis::new() else {
        return;
    };
    redis.start().await;

    let folder = TempDir::new().expect("there is room for a folder");
    let (started, started_at) = (Instant::now(), clock());
    let processes: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let path = folder.path().join(number.to_string());
            (caller::spawn(plan, &redis.url(), &path), path)
        })
        .collect();
    let mut takes = Takes::default();
    for (mut process, path) in processes {
        let ended = tokio::task::spawn_blocking(move || process.wait()).await;
        let ended = ended.expect("waiting does not panic").expect("it is ours");
        assert!(ended.success(), "a process ended with {ended}");
        let text = std::fs::read_to_string(&path).expect("it has written it");
        takes.merge(Takes::read(&text));
    }
    let drift = i128::from(clock() - started_at) - started.elapsed().as_nanos() as i128;
    assert!(drift.abs() < 1_000_000, "the machine's clock was set");

    judge(plan, takes);
}

fn judge(plan: &Plan, mut takes: Takes) {
    takes.sort();
    let window = plan.rate().window.as_nanos() as u64;
    let mut over = 0;
    for parts in [1, 2, 10] {
        let length = window / parts;
        let most = plan.most(parts);
        let surely = takes.most_within(length);
        over += surely.saturating_sub(most);
        println!(
            "{}: in 1/{parts} of a window {surely} of {most}, {} with its edges",
            plan.name,
            takes.most_touching(length)
        );
    }
    let allowed = plan.rate().burst + plan.rate().limit * takes.duration() / window;
    let unused = 100.0 - 100.0 * takes.units() as f64 / allowed as f64;
    println!(
        "{}: {} decisions, {} takes and {} units admitted in {:.1} windows; {over} too many, {unused:.2} % unused; the \
         longest bracket {} us",
        plan.name,
        takes.decisions,
        takes.count(),
        takes.units(),
        takes.duration() as f64 / window as f64,
        takes.longest() / 1000
    );

    assert_eq!(over, 0, "more than the limit was admitted");
    assert!(takes.decisions >= plan::decisions());
    assert!(takes.count() < takes.decisions, "the limit was not reached");
    if plan::is_whole() {
        assert!(unused <= 2.0, "{unused} % was left unused");
    }
}
