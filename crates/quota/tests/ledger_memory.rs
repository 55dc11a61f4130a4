//! How much memory a ledger takes, and how often it asks for some.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, StatusCode};
use tollgate_core::{
    Trail,
    fact::{Cost, Dispatch, Period, Principal, Scope, Usage},
};
use tollgate_quota::{
    Bank, Budget, Claim, Ledger, Quota, QuotaLayer, Rule, Settlement,
    bank::{Answer, Answering, Authority, Message, Order, Window},
};
use tower::{Layer, ServiceExt, service_fn};

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
fn a_million_callers_with_a_rate_and_a_budget_that_rest_take_less_than_300_mib() {
    const CALLERS: usize = 10_000;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let budget = Budget::hard(Cost::from_nanos(i64::MAX), Period::Total);
    let layer = QuotaLayer::new(Quota::per_day(100))
        .and_concurrency(8)
        .rule(Rule::budget(budget).of(Scope::Key))
        .ledger(Ledger::new(Bank::new(Generous)))
        .worst(|_, _| Ok((Cost::from_nanos(1_000), 10)));
    let service = layer.layer(service_fn(|mut request: Request<String>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Dispatch::Yes);
        trail.set(Usage::default());
        trail.set(Cost::from_nanos(400));
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    }));

    let counts = allocation_counter::measure(|| {
        runtime.block_on(async {
            for caller in 0..CALLERS {
                let mut request = Request::new(String::new());
                let key = format!("key-{caller:06}");
                request.extensions_mut().insert(Principal::new(key));
                let Ok(response) = service.clone().oneshot(request).await;
                assert_eq!(response.status(), StatusCode::OK);
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        });
    });

    assert_eq!((layer.keys(), layer.in_flight()), (CALLERS, 0));
    let each = counts.bytes_current / CALLERS as i64;
    assert!((100..300).contains(&each), "{each} bytes each");
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
