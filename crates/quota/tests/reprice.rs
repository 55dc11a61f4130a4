//! Prices that change while calls are open.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::sleep;
use tollgate_core::{
    Trail,
    fact::{Cost, Dispatch, Mode, Period, Principal, Target, Usage},
    testing::{Script, Step},
};
use tollgate_quota::{Bound, Budget, Claim, Ledger, QuotaLayer, Rule};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn an_open_call_that_becomes_dearer_holds_more_and_others_have_less() {
    let scene = Scene::new(1_000);
    let open = scene.call(Bill::Known(250)).await;
    assert_eq!(scene.held(), 100);

    scene.price(3);

    assert_eq!(scene.held(), 300);
    let others = [(); 3].map(|()| scene.call(Bill::Unknown));
    let mut passed = Vec::new();
    for call in others {
        passed.push(call.await.status().as_u16());
    }
    assert_eq!(passed, [200, 200, 429]);
    drop(open);
    assert_eq!(scene.spent(), 600 + 250);
    let again = scene.call(Bill::Known(0)).await;
    assert_eq!(again.status(), 429, "150 are left, and none is blocked");
}

#[tokio::test(start_paused = true)]
async fn what_a_budget_has_not_left_is_charged_until_it_is_known_what_was_spent() {
    for (bill, spent) in [
        (Bill::Known(120), 120),
        (Bill::Known(180), 180),
        (Bill::Known(230), 230),
        (Bill::Unknown, 200),
        (Bill::Unsent, 0),
    ] {
        let scene = Scene::new(150);
        let open = scene.call(bill).await;

        scene.price(2);
        sleep(Duration::from_secs(1)).await; // until the bank knows
        let left = scene.left();
        let refused = scene.call(Bill::Known(0)).await;
        drop(open);
        sleep(Duration::from_secs(10)).await; // until what is free went back

        assert_eq!((left, refused.status().as_u16()), (-50, 429));
        assert_eq!(scene.held(), 0);
        assert_eq!(scene.spent(), spent, "{bill:?}");
        assert_eq!(scene.left(), 150 - spent, "{bill:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_call_that_becomes_cheaper_holds_what_it_held() {
    let scene = Scene::new(1_000);
    let open = scene.call(Bill::Unknown).await;

    for (price, held) in [(0, 100), (2, 200), (1, 200)] {
        scene.price(price);
        assert_eq!(scene.held(), held);
    }
    drop(open);
    scene.price(9);

    assert_eq!((scene.held(), scene.spent()), (0, 200));
}

#[tokio::test(start_paused = true)]
async fn a_price_that_rises_while_the_bank_is_asked_counts_for_who_waits() {
    let scene = Scene::new(1_000);
    let mut call = Box::pin(scene.call(Bill::Unknown));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());

    scene.price(4);
    let open = call.await;

    assert_eq!(open.status(), 200);
    assert_eq!(scene.held(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_priced_again_has_not_passed_its_bound() {
    let scene = Scene::new(1_000);
    let open = scene.call(Bill::Known(200)).await;
    scene.price(2);
    drop(open);
    let next = scene.call(Bill::Known(201)).await;
    assert_eq!(next.status(), 200);
    drop(next);

    let refused = scene.call(Bill::Known(0)).await;
    assert_eq!(refused.status(), 503);
    scene.price(2);
    assert_eq!(scene.call(Bill::Known(0)).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn soft_budgets_count_the_rise_too() {
    let scene = Scene::with(1_000, Mode::Soft);
    drop(scene.call(Bill::Known(0)).await);
    sleep(Duration::from_secs(2)).await; // until the bank has named the window
    let open = scene.call(Bill::Unknown).await;

    scene.price(5);
    assert_eq!(scene.held(), 500);
    drop(open);

    assert_eq!(scene.spent(), 500);
}

/// A layer for calls of 100 units, each at a price that can be set.
struct Scene {
    layer: QuotaLayer,
    ledger: Ledger,
    budget: Budget,
    price: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug)]
enum Bill {
    Known(i64),
    Unknown,
    Unsent,
}

impl Scene {
    fn new(limit: i64) -> Self {
        Self::with(limit, Mode::Hard)
    }

    fn with(limit: i64, mode: Mode) -> Self {
        let ledger = Ledger::volatile();
        let limit = Cost::from_nanos(limit);
        let budget = match mode {
            Mode::Hard => Budget::hard(limit, Period::Total),
            _ => Budget::soft(limit, Period::Total),
        };
        let price = Arc::new(AtomicI64::new(1));
        let of_now = Arc::clone(&price);
        let layer = QuotaLayer::unlimited()
            .rule(Rule::budget(budget.clone()))
            .ledger(ledger.clone())
            .bound(move |_, _| {
                let price = Arc::clone(&of_now);
                let cost = move || Cost::from_nanos(100 * price.load(Relaxed));
                Ok(Bound::new(cost(), 1).again(move || Some(cost())))
            });
        Self {
            layer,
            ledger,
            budget,
            price,
        }
    }

    fn price(&self, price: i64) {
        self.price.store(price, Relaxed);
        self.layer.reprice();
    }

    /// An answer that does not end by itself; it is known at once what it will cost.
    fn call(&self, bill: Bill) -> impl Future<Output = Response<impl Sized + use<>>> + use<> {
        let service = self
            .layer
            .layer(service_fn(move |mut request: Request<Script>| {
                let trail = Trail::in_extensions(request.extensions_mut());
                trail.set(match bill {
                    Bill::Unsent => Dispatch::No,
                    _ => Dispatch::Yes,
                });
                if let Bill::Known(cost) = bill {
                    trail.set(Usage::default());
                    trail.set(Cost::from_nanos(cost));
                }
                async { Ok::<_, Infallible>(Response::new(Script::new([Step::Wait]))) }
            }));
        let mut request = Request::new(Script::empty());
        request.extensions_mut().insert(Principal::new("key-1"));
        request.extensions_mut().insert(Target::new("a"));
        async { service.oneshot(request).await.unwrap() }
    }

    fn held(&self) -> i64 {
        self.state().held.nanos()
    }

    fn spent(&self) -> i64 {
        self.state().spent.nanos()
    }

    fn left(&self) -> i64 {
        self.state().left.nanos()
    }

    fn state(&self) -> tollgate_quota::State {
        let claim = Claim {
            scope: "key",
            account: "key-1",
            name: "budget",
            budget: &self.budget,
        };
        self.ledger.snapshot(&claim).unwrap()
    }
}
