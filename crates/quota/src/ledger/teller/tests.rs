use std::sync::Arc;

use tokio::task::yield_now;
use tollgate_core::fact::{Cost, Period};

use crate::{Budget, Claim, Hold, Ledger, Settlement};

#[tokio::test(start_paused = true)]
async fn in_a_crowd_who_has_nothing_open_gives_back_and_rests() {
    let ledger = crowded();
    let budget = budget();

    for caller in 0..100 {
        let hold = hold(&ledger, caller, &budget).await;
        hold.settle(Settlement::Known(Cost::from_nanos(40)));
    }

    assert_eq!(ledger.desk.table.len(), 100, "nobody is forgotten");
    let awake = ledger.desk.table.awake();
    assert!((1..=CROWD + 1).contains(&awake), "{awake}");
    for caller in [0, 40] {
        let state = ledger.snapshot(&claim(&caller.to_string(), &budget));
        let state = state.expect("it rests");
        assert_eq!(state.granted, Cost::default(), "what is free went back");
        assert_eq!(state.spent, Cost::from_nanos(40));
        assert_eq!(state.left, Cost::from_nanos(LIMIT - 40));
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_what_is_open_stays() {
    let ledger = crowded();
    let budget = budget();

    let mut holds = Vec::new();
    for caller in 0..30 {
        holds.push(hold(&ledger, caller, &budget).await);
    }
    assert_eq!(ledger.desk.table.awake(), 30);
    for hold in holds {
        hold.settle(Settlement::Known(Cost::from_nanos(100)));
    }
    for caller in 30..60 {
        drop(hold(&ledger, caller, &budget).await);
        yield_now().await;
    }

    assert!(ledger.desk.table.awake() <= CROWD + 1);
    for caller in 0..30 {
        let state = ledger.snapshot(&claim(&caller.to_string(), &budget));
        assert_eq!(state.map(|it| it.spent), Some(Cost::from_nanos(100)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_wakes_goes_on_from_what_it_knew() {
    let ledger = crowded();
    let budget = budget();
    drop(hold(&ledger, 0, &budget).await);
    for caller in 1..60 {
        drop(hold(&ledger, caller, &budget).await);
    }

    let hold = hold(&ledger, 0, &budget).await;
    hold.settle(Settlement::Known(Cost::from_nanos(100)));

    let state = ledger.snapshot(&claim("0", &budget)).expect("it is known");
    assert_eq!(state.left, Cost::from_nanos(LIMIT - 100));
}

fn crowded() -> Ledger {
    let mut ledger = Ledger::volatile();
    Arc::make_mut(&mut ledger.options).crowd = CROWD;
    ledger
}

async fn hold(ledger: &Ledger, caller: usize, budget: &Budget) -> Hold {
    let account = caller.to_string();
    let claims = [claim(&account, budget)];
    let hold = ledger.hold_soon(&claims, Cost::from_nanos(100)).await;
    hold.expect("it fits")
}

fn claim<'a>(account: &'a str, budget: &'a Budget) -> Claim<'a> {
    Claim {
        scope: "user",
        account,
        name: "all",
        budget,
    }
}

fn budget() -> Budget {
    Budget::hard(Cost::from_nanos(LIMIT), Period::Total)
}

const CROWD: usize = 8;
const LIMIT: i64 = 1_000;
