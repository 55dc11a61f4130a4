//! What is spent of a budget is kept by its name: an edit of the terms forgives nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use tokio::time::sleep;
use tollgate_core::{
    Limits, Rejection,
    fact::{Allotment, BudgetTerm, Call, Cost, Mode, Operation, Period, Principal, Scope, Terms},
    testing::{Answer, Inner, Script},
};
use tollgate_quota::{Budget, Ledger, QuotaLayer, Rule};
use tower::{Layer, ServiceExt};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn in_any_order_a_term_has_the_name_that_it_had(
        (terms, order) in terms().prop_flat_map(|terms| (Just(terms.clone()), Just(terms).prop_shuffle())),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (before, after) = runtime.block_on(async {
            let ledger = Ledger::volatile();
            drop(left_after(&ledger, &terms).await);
            sleep(Duration::from_secs(2)).await; // until the bank has named the windows
            (left_after(&ledger, &terms).await, left_after(&ledger, &order).await)
        });

        // All pay for this model, by as much.
        prop_assert_eq!(before.len(), terms.len());
        let paid = |(name, left): (String, u64)| (name, left - PRICE);
        prop_assert_eq!(before.into_iter().map(paid).collect::<BTreeMap<_, _>>(), after);
    }
}

#[tokio::test(start_paused = true)]
async fn two_budgets_that_are_kept_as_one_are_a_mistake_and_not_a_gift() {
    let mut other = term(None, None, Period::Month);
    other.limit = Cost::from_nanos(1);
    let terms = vec![term(None, None, Period::Day), other];
    let allotted = ask(&Ledger::volatile(), &terms).await;
    let budget = |period| Rule::budget(Budget::soft(Cost::from_nanos(LIMIT), period));
    let rules = QuotaLayer::unlimited()
        .rule(budget(Period::Day))
        .rule(budget(Period::Month));
    let ruled = rules
        .ledger(Ledger::volatile())
        .worst(|_, _| Ok((Cost::default(), 0)));
    let mut request = Request::new(Script::empty());
    request.extensions_mut().insert(Principal::new("a"));
    let service = ruled.layer(Inner::new(Answer::ok(Script::empty())));
    let ruled = service.oneshot(request).await.unwrap().map(drop);

    for refused in [allotted, ruled] {
        assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let rejection = refused.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.code(), "budget_ambiguous");
    }
}

/// Up to six, of which none can be taken for another.
fn terms() -> impl Strategy<Value = Vec<BudgetTerm>> {
    let period = prop::sample::select(vec![
        Period::Hour,
        Period::Day,
        Period::Month,
        Period::Total,
    ]);
    let name = prop::sample::select(vec![
        None,
        Some("a"),
        Some("b"),
        Some("model"),
        Some("budget"),
    ]);
    let models = prop::sample::select(vec![None, Some("*"), Some("m*"), Some("model")]);
    let term = (name, models, period).prop_map(|(name, models, every)| term(name, models, every));
    prop::collection::vec(term, 1..=6).prop_map(|terms| {
        let mut kept = Terms::default();
        for term in terms {
            kept.budgets.push(term);
            if kept.check().is_err() {
                kept.budgets.pop();
            }
        }
        kept.budgets
    })
}

fn term(name: Option<&str>, models: Option<&str>, every: Period) -> BudgetTerm {
    BudgetTerm {
        name: name.map(Into::into),
        limit: Cost::from_nanos(LIMIT),
        every,
        zone: "UTC".into(),
        mode: Mode::Soft,
        models: models.map(Into::into),
        strict: None,
    }
}

/// What is left of each budget when a request has been paid for.
async fn left_after(ledger: &Ledger, terms: &[BudgetTerm]) -> BTreeMap<String, u64> {
    let answer = ask(ledger, terms).await;
    assert_eq!(answer.status(), 200);
    let limits = answer.extensions().get::<Limits>().unwrap();
    let named = limits.iter().map(|it| (it.name.to_string(), it.remaining));
    named.collect()
}

async fn ask(ledger: &Ledger, terms: &[BudgetTerm]) -> Response<()> {
    let layer = QuotaLayer::allotted()
        .ledger(ledger.clone())
        .worst(|_, _| Ok((Cost::from_nanos(PRICE as i64 * 1_000), 1)));
    let terms = Terms {
        budgets: terms.to_vec(),
        ..Terms::default()
    };
    let team = Allotment {
        scope: Scope::Team,
        account: "search".into(),
        terms: Arc::new(terms),
    };
    let mut request = Request::new(Script::empty());
    request
        .extensions_mut()
        .insert(Principal::new("a").with_allotment(team));
    request
        .extensions_mut()
        .insert(Call::new(Operation::Chat, "model"));
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    service.oneshot(request).await.unwrap().map(drop)
}

/// In millionths of a dollar.
const PRICE: u64 = 7;
const LIMIT: i64 = 1_000_000_000;
