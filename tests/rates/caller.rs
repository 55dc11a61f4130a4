use std::{
    cell::RefCell,
    env,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use secrecy::SecretString;
use tollgate::{
    quota::{RateAccount, RateStore, Take, Taken},
    redis::{Redis, RedisRates},
};

use crate::{
    plan::{PROCESSES, Plan, decisions},
    takes::{Admitted, Takes},
};

/// Starts this program again, as a process that takes.
pub(crate) fn spawn(plan: &Plan, redis: &str, path: &Path) -> Child {
    let program = env::current_exe().expect("a program knows where it is");
    Command::new(program)
        .args(["--ignored", "--exact", "--nocapture", "a_process"])
        .env(PLAN, plan.name)
        .env(REDIS, redis)
        .env(TAKES, path)
        .stdout(Stdio::null())
        .spawn()
        .expect("it has started before")
}

/// Takes as fast as it can, until this process has made its part of the decisions and has seen two windows, and writes down
/// what was admitted.
pub(crate) async fn run(plan: &Plan) {
    let redis = SecretString::from(env::var(REDIS).expect("it is set"));
    let redis = Redis::open(&redis).expect("it is an address");
    // A take that is given up may have been taken; here the machine may be as busy as it likes.
    let rates = RedisRates::new(redis.deadline(Duration::from_secs(10)));
    let rates = if plan.leased { rates.leased() } else { rates };

    let takes = RefCell::new(Takes::default());
    let share = decisions().div_ceil(PROCESSES as u64);
    let end = clock() + 2 * plan.rate().window.as_nanos() as u64;
    join_all((0..CALLERS).map(|caller| {
        let cost = plan.costs[caller % plan.costs.len()];
        ask(&rates, plan, cost, &takes, (share, end))
    }))
    .await;

    let path = env::var_os(TAKES).expect("it is set");
    let text = takes.into_inner().to_string();
    std::fs::write(path, text).expect("the folder can be written to");
}

async fn ask(
    rates: &RedisRates,
    plan: &Plan,
    cost: u64,
    takes: &RefCell<Takes>,
    (share, end): (u64, u64),
) {
    let wanted = Take {
        account: RateAccount {
            tenant: "acme".into(),
            limit: plan.name.into(),
            account: "shared".into(),
        },
        rate: plan.rate(),
        cost,
    };
    loop {
        let asked = clock();
        let taken = rates.take(vec![wanted.clone()]).await;
        let told = clock();
        let taken = taken.expect("Redis is there");
        let admitted = matches!(taken, Taken::All(_)).then_some(Admitted { asked, told, cost });
        let decisions = {
            let mut takes = takes.borrow_mut();
            takes.decided(told, admitted);
            takes.decisions
        };
        if decisions >= share && told >= end {
            return;
        }
        // The others ask as often.
        tokio::task::yield_now().await;
    }
}

/// Nanoseconds of the clock that all processes of a machine share.
pub(crate) fn clock() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    now.as_nanos() as u64
}

pub(crate) const PLAN: &str = "TOLLGATE_RATES_PLAN";
const REDIS: &str = "TOLLGATE_RATES_REDIS";
const TAKES: &str = "TOLLGATE_RATES_TAKES";
const CALLERS: usize = 8;
