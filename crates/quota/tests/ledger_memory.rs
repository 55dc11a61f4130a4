//! How much memory a ledger takes, and how often it asks for some.

use std::time::Duration;

use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Bank, Budget, Claim, Ledger, Settlement,
    bank::{Answer, Answering, Authority, Message, Order, Window},
};

#[tokio::test]
async fn to_hold_and_settle_what_is_there_allocates_nothing() {
    let ledger = Ledger::new(Bank::new(Generous));
    let budget = Budget::hard(Cost::from_nanos(i64::MAX), Period::Total);
    let claims = ["org", "team", "user", "key"].map(|scope| Claim {
        scope,
        account: "alice",
        name: "all",
        budget: &budget,
    });
    // The lease is large: a first hold makes it so.
    for _ in 0..4 {
        drop(
            ledger
                .hold_soon(&claims, Cost::from_nanos(1_000_000))
                .await
                .unwrap(),
        );
    }

    let counts = allocation_counter::measure(|| {
        let hold = ledger.hold(&claims, Cost::from_nanos(10)).unwrap();
        hold.settle(Settlement::Known(Cost::from_nanos(0)));
    });

    assert_eq!(counts.count_total, 0);
}

#[test]
fn a_million_callers_that_rest_take_less_than_300_mib() {
    const CALLERS: usize = 10_000;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let ledger = Ledger::new(Bank::new(Generous));
    let budget = Budget::hard(Cost::from_nanos(i64::MAX), Period::Total);

    let counts = allocation_counter::measure(|| {
        runtime.block_on(async {
            for caller in 0..CALLERS {
                let account = format!("user-{caller:06}");
                let claim = Claim {
                    scope: "user",
                    account: &account,
                    name: "monthly",
                    budget: &budget,
                };
                let hold = ledger
                    .hold_soon(&[claim], Cost::from_nanos(1_000))
                    .await
                    .unwrap();
                hold.settle(Settlement::Known(Cost::from_nanos(400)));
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        });
    });

    let each = counts.bytes_current / CALLERS as i64;
    assert!((100..314).contains(&each), "{each} bytes each");
}

/// Grants everything.
#[derive(Debug)]
struct Generous;

impl Authority for Generous {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let window = Window {
            number: 1,
            starts_at: 0,
            ends_at: i64::MAX,
            now: 0,
        };
        let answer = match message.ask {
            Order::Grant { wish, .. } => Answer::Granted {
                window,
                amount: wish,
                left: i64::MAX,
                scarce: false,
            },
            _ => Answer::Booked { left: i64::MAX },
        };
        Box::pin(async { Ok(answer) })
    }
}
