use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::yield_now, time::sleep};
use tollgate_core::fact::{Cost, Period};

use crate::{
    Bank, Budget, Claim, Hold, Ledger, Settlement, Why,
    bank::{Answer, Answering, Authority, BankError, MemoryAuthority, Message, Order},
};

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

#[tokio::test(start_paused = true)]
async fn while_the_bank_is_away_so_many_wait_for_it_and_not_more() {
    let bank = Away::default();
    let ledger = crowd(Ledger::new(Bank::new(bank.clone())).max_accounts(100));
    let budget = budget();
    let most = 2 * CROWD;

    for caller in 0..50 {
        let account = caller.to_string();
        let held = ledger.hold(&[claim(&account, &budget)], Cost::from_nanos(100));
        assert_eq!(held.unwrap_err().why, Why::Unavailable);
    }
    yield_now().await;
    assert_eq!(
        (ledger.desk.table.len(), ledger.desk.table.awake()),
        (most, most)
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ledger.desk.table.awake(), most, "they are still asking");

    bank.0.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    for caller in 50..100 {
        drop(hold(&ledger, caller, &budget).await);
    }
    assert!(ledger.desk.table.awake() <= CROWD + 1);
}

fn crowded() -> Ledger {
    crowd(Ledger::volatile())
}

fn crowd(mut ledger: Ledger) -> Ledger {
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

/// An authority that can be away.
#[derive(Clone, Debug)]
struct Away(Arc<AtomicBool>, Arc<MemoryAuthority>);

impl Default for Away {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)), Arc::default())
    }
}

impl Authority for Away {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        match self.0.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(BankError::new("it is away")) }),
            false => self.1.ask(message),
        }
    }
}
