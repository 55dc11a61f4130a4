//! Targets that bill more than their bound.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use tollgate_core::{
    Rejection, Trail,
    fact::{Cost, Dispatch, Mode, Period, Principal, Target, Usage},
    testing::Script,
};
use tollgate_quota::{Budget, Ledger, QuotaLayer, Rule};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn who_bills_more_than_its_bound_is_paid_by_no_hard_budget_until_prices_are_read_again() {
    let hard = layer(Mode::Hard);
    let soft = hard.clone().rule(budget(Mode::Soft).name("soft"));
    let bill = |cost| Bill {
        cost,
        estimated: false,
    };

    assert_eq!(call(&hard, Some("a"), bill(101)).await.status(), 200);
    let refused = call(&soft, Some("a"), bill(1)).await;
    let other = call(&hard, Some("b"), bill(100)).await;
    hard.reprice();
    let again = call(&hard, Some("a"), bill(1)).await;

    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "target_blocked");
    assert_eq!(rejection.about(), tollgate_core::About::Target);
    assert_eq!(other.status(), 200);
    assert_eq!(again.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_operator_who_knows_better_lets_a_blocked_target_serve_again() {
    let hard = layer(Mode::Hard);
    let bill = |cost| Bill {
        cost,
        estimated: false,
    };
    for target in ["b", "a"] {
        drop(call(&hard, Some(target), bill(101)).await);
    }
    assert_eq!(hard.blocked(), ["a", "b"].map(std::sync::Arc::<str>::from));

    hard.unblock();

    assert!(hard.blocked().is_empty());
    assert_eq!(call(&hard, Some("a"), bill(1)).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_target_serves_those_whom_no_hard_budget_pays_for() {
    for mode in [Mode::Soft, Mode::Observe] {
        // Clones share what is blocked.
        let hard = layer(Mode::Hard);
        let other = hard.clone().only(tollgate_quota::Measures::ARRIVAL);
        drop(
            call(
                &hard,
                Some("a"),
                Bill {
                    cost: 101,
                    estimated: false,
                },
            )
            .await,
        );

        for _ in 0..2 {
            let answer = call(
                &other,
                Some("a"),
                Bill {
                    cost: 101,
                    estimated: false,
                },
            )
            .await;
            assert_eq!(answer.status(), 200);
        }
        // Their bound is not told to anybody, so nobody breaks it.
        let layer = layer(mode);
        for _ in 0..2 {
            let answer = call(
                &layer,
                Some("a"),
                Bill {
                    cost: 101,
                    estimated: false,
                },
            )
            .await;
            assert_eq!(answer.status(), 200, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_providers_own_word_blocks_its_target() {
    let layer = layer(Mode::Hard);
    for (target, bill) in [
        (
            "a",
            Bill {
                cost: 100,
                estimated: false,
            },
        ),
        (
            "a",
            Bill {
                cost: 101,
                estimated: true,
            },
        ),
        (
            "a",
            Bill {
                cost: -1,
                estimated: false,
            },
        ),
    ] {
        drop(call(&layer, Some(target), bill).await);
    }
    // Without a target there is nobody to choose another.
    drop(
        call(
            &layer,
            None,
            Bill {
                cost: 101,
                estimated: false,
            },
        )
        .await,
    );

    for target in [Some("a"), None] {
        let answer = call(
            &layer,
            target,
            Bill {
                cost: 1,
                estimated: false,
            },
        )
        .await;
        assert_eq!(answer.status(), 200, "{target:?}");
    }
}

#[derive(Clone, Copy)]
struct Bill {
    cost: i64,
    estimated: bool,
}

/// A call that is bounded by 100.
async fn call(layer: &QuotaLayer, target: Option<&str>, bill: Bill) -> Response<()> {
    let service = layer.layer(service_fn(move |mut request: Request<Script>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Dispatch::Yes);
        trail.set(Usage {
            output: 1,
            estimated: bill.estimated,
            ..Usage::default()
        });
        trail.set(Cost::from_nanos(bill.cost));
        async { Ok::<_, Infallible>(Response::new(Script::empty())) }
    }));
    let mut request = Request::new(Script::empty());
    request.extensions_mut().insert(Principal::new("key-1"));
    if let Some(target) = target {
        request.extensions_mut().insert(Target::new(target));
    }
    service.oneshot(request).await.unwrap().map(drop)
}

fn layer(mode: Mode) -> QuotaLayer {
    QuotaLayer::unlimited()
        .rule(budget(mode))
        .ledger(Ledger::volatile())
        .worst(|_, _| Ok((Cost::from_nanos(100), 1)))
}

fn budget(mode: Mode) -> Rule {
    let budget = Budget::hard(Cost::from_nanos(1_000_000), Period::Day);
    Rule::budget(budget).mode(mode)
}
