//! Budgets: what is held, what the upstream is told, and how it is settled.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::BodyExt;
use tokio::time::sleep;
use tollgate_core::{
    Limits, Rejection, Trail,
    fact::{
        Allotment, Allowance, BudgetTerm, Call, Cost, Dispatch, Mode, Operation, Period, Principal,
        Scope, Terms, Usage,
    },
    testing::{Answer, Contract, Inner, Script, Step},
};
use tollgate_quota::{Budget, Claim, Ledger, QuotaLayer, Rule, State};
use tower::{Layer, ServiceExt, service_fn};

/// 10 for the input, and 1 for each token of output: 100 if nobody says less.
fn worst(_: &Parts, output: Option<u64>) -> Result<(Cost, u64), Rejection> {
    let output = output.unwrap_or(100).min(100);
    Ok((Cost::from_nanos(10 + output as i64), output))
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_settled_once_by_what_is_known() {
    let usage = Usage {
        output: 5,
        ..Usage::default()
    };
    let estimate = Usage {
        estimated: true,
        ..usage
    };
    let cost = Cost::from_nanos(15);
    // What the trail tells, whether it was refused further in, and what a hard and a soft budget pay.
    let cases: [(&str, fn(&Trail, Usage, Cost), Usage, bool, i64, i64); 9] = [
        (
            "not sent",
            |it, _, _| it.set(Dispatch::No),
            usage,
            false,
            0,
            0,
        ),
        ("refused further in", |_, _, _| {}, usage, true, 0, 0),
        (
            "sent, and refused",
            |it, _, _| it.set(Dispatch::Yes),
            usage,
            true,
            110,
            110,
        ),
        ("nobody says", |_, _, _| {}, usage, false, 110, 110),
        ("told", told, usage, false, 15, 15),
        ("estimated", told, estimate, false, 110, 15),
        (
            "an error of the provider's",
            |it, _, _| told(it, Usage::default(), Cost::default()),
            usage,
            true,
            0,
            0,
        ),
        (
            "no price",
            |it, usage, _| {
                it.set(Dispatch::Yes);
                it.set(usage);
            },
            usage,
            false,
            110,
            110,
        ),
        (
            "nonsense",
            |it, usage, _| told(it, usage, Cost::from_nanos(-1_000)),
            usage,
            false,
            110,
            110,
        ),
    ];
    for (case, tell, usage, refused, hard, soft) in cases {
        let modes = [
            (Mode::Hard, hard),
            (Mode::Soft, soft),
            (Mode::Observe, soft),
        ];
        for (mode, expected) in modes {
            let ledger = Ledger::volatile();
            let layer = layer(&ledger, budget(1_000).mode(mode));
            let service = layer.layer(service_fn(|mut request: Request<Script>| {
                let trail = Trail::in_extensions(request.extensions_mut());
                tell(&trail, usage, cost);
                async move {
                    let mut response = Response::new(Script::empty());
                    if refused {
                        let status = StatusCode::BAD_GATEWAY;
                        let rejection = Rejection::new(status, "scripted", "scripted");
                        response.extensions_mut().insert(rejection);
                    }
                    Ok::<_, Infallible>(response)
                }
            }));

            let mut request = request();
            let trail = Trail::in_extensions(request.extensions_mut());
            drop(service.oneshot(request).await.unwrap());
            sleep(Duration::from_secs(2)).await; // until the bank has named the window

            let state = state(&ledger, mode);
            let nanos = |cost: Cost| cost.nanos();
            assert_eq!(nanos(state.held), 0, "{case} {mode:?}");
            assert_eq!(nanos(state.spent), expected, "{case} {mode:?}");
            let (name, note) = &trail.notes()[0];
            assert_eq!(name, "budget");
            assert_eq!(note["held"], 110);
            assert_eq!(note["settled"], expected, "{case} {mode:?}");
            assert_eq!(note["budgets"][0], "budget");
        }
    }
}

fn told(trail: &Trail, usage: Usage, cost: Cost) {
    trail.set(Dispatch::Yes);
    trail.set(usage);
    trail.set(cost);
}

#[tokio::test(start_paused = true)]
async fn the_upstream_is_told_what_is_paid_for() {
    let ledger = Ledger::volatile();
    for (mode, expected) in [(Mode::Hard, Some(100)), (Mode::Soft, None)] {
        let layer = layer(&ledger, budget(1_000).mode(mode));
        let service = layer.layer(service_fn(async |request: Request<Script>| {
            let told = request.extensions().get::<Allowance>().copied();
            let noted = request.extensions().get::<Trail>().unwrap().get();
            assert_eq!(told, noted);
            let mut response = Response::new(Script::empty());
            response.extensions_mut().insert(told);
            Ok::<_, Infallible>(response)
        }));

        let answer = service.oneshot(request()).await.unwrap();

        let told: &Option<Allowance> = answer.extensions().get().unwrap();
        assert_eq!(told.map(|told| told.output), expected, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_and_says_what_is_left() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(3_000_150));
    let open = hold(&layer).await;

    let refused = ask(&layer.clone()).await;
    assert_eq!(refused.status(), 200, "two fit");
    let many = QuotaLayer::unlimited()
        .rule(budget(3_000_150))
        .ledger(ledger.clone())
        .worst(|_, _| Ok((Cost::from_nanos(3_000_000), 1)));
    let refused = ask(&many).await;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "insufficient_quota");
    assert!(rejection.message().contains("\"budget\""), "{rejection}");
    assert!(refused.headers().contains_key("retry-after"));
    let limits = refused.extensions().get::<Limits>().unwrap();
    let limit = limits.iter().next().unwrap();
    assert_eq!((limit.unit, limit.quota), ("micro-usd", 3_000));
    assert_eq!(limit.remaining, 2_999);
    let refused = ask(&many.spent_status(StatusCode::PAYMENT_REQUIRED)).await;
    assert_eq!(refused.status(), StatusCode::PAYMENT_REQUIRED);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_clamped_request_asks_for_what_fits() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(150)).clamp(20);
    let service = layer.layer(service_fn(async |request: Request<Script>| {
        let told = request.extensions().get::<Allowance>().copied();
        let mut response = Response::new(Script::new([Step::Wait]));
        response.extensions_mut().insert(told.unwrap());
        Ok::<_, Infallible>(response)
    }));
    let ask = || service.clone().oneshot(request());

    let first = ask().await.unwrap();
    let second = ask().await.unwrap();
    let third = ask().await.unwrap();

    let told = |answer: &Response<_>| answer.extensions().get::<Allowance>().unwrap().output;
    assert_eq!((told(&first), told(&second)), (100, 30));
    assert_eq!(third.status(), 429, "10 tokens are of no use");
    assert_eq!(state(&ledger, Mode::Hard).held.nanos(), 150);
}

#[tokio::test(start_paused = true)]
async fn all_budgets_pay_or_none() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(1_000))
        .rule(budget(50).name("small"))
        .rule(budget(1).mode(Mode::Observe).name("watched"));

    let refused = ask(&layer).await;

    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert!(rejection.message().contains("\"small\""), "{rejection}");
    let state = state(&ledger, Mode::Hard);
    assert_eq!((state.held.nanos(), state.spent.nanos()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_budget_can_be_for_some_models() {
    let ledger = Ledger::volatile();
    let term = |models: Option<&str>, limit| BudgetTerm {
        name: None,
        limit: Cost::from_nanos(limit),
        every: Period::Day,
        zone: "UTC".into(),
        mode: Mode::Hard,
        models: models.map(Into::into),
        strict: None,
    };
    let terms = Terms {
        budgets: vec![term(None, 1_000), term(Some("large-*"), 50)],
        ..Terms::default()
    };
    let team = Allotment {
        scope: Scope::Team,
        account: "search".into(),
        terms: Arc::new(terms),
    };
    let layer = QuotaLayer::allotted().ledger(ledger).worst(worst);
    let of = |model: &str| {
        let mut request = request();
        let principal = Principal::new("a").with_allotment(team.clone());
        request.extensions_mut().insert(principal);
        let call = Call::new(Operation::Chat, model);
        request.extensions_mut().insert(call);
        let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
        async { service.oneshot(request).await.unwrap() }
    };

    assert_eq!(of("small-1").await.status(), 200);
    let refused = of("large-1").await;
    assert_eq!(refused.status(), 429);
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert!(rejection.message().contains("\"team-budget large-*\""));
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_nobody_keeps_is_a_mistake_and_not_a_gift() {
    let layer = QuotaLayer::unlimited().rule(budget(1_000));

    let answer = ask(&layer).await;

    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let rejection = answer.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.code(), "ledger_missing");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_bound_passes_where_no_hard_budget_pays() {
    let unbounded = |_: &Parts, _| {
        let status = StatusCode::BAD_REQUEST;
        Err(Rejection::new(status, "cost_unbounded", "scripted"))
    };
    for (mode, status) in [(Mode::Hard, 400), (Mode::Soft, 200), (Mode::Observe, 200)] {
        let layer = layer(&Ledger::volatile(), budget(1_000).mode(mode)).worst(unbounded);

        assert_eq!(ask(&layer).await.status(), status, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_looks_on_tells_what_it_would_refuse() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(150).mode(Mode::Observe));
    drop(ask(&layer).await);
    sleep(Duration::from_secs(2)).await; // until the bank has named the window
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));

    let mut request = request();
    let trail = Trail::in_extensions(request.extensions_mut());
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);

    assert_eq!(trail.notes()[0].0, "would_refuse");
}

#[tokio::test(start_paused = true)]
async fn what_is_more_than_the_whole_budget_is_not_put_off() {
    let refused = ask(&layer(&Ledger::volatile(), budget(50))).await;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_kept_until_the_body_has_ended() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(1_000));

    let answer = hold(&layer).await;
    assert_eq!(state(&ledger, Mode::Hard).held.nanos(), 110);
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(state(&ledger, Mode::Hard).held.nanos(), 110);
    drop(body);

    let state = state(&ledger, Mode::Hard);
    assert_eq!((state.held.nanos(), state.spent.nanos()), (0, 110));
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_the_bank_is_asked_holds_nothing() {
    for polls in 0..20 {
        let ledger = Ledger::volatile();
        let layer = layer(&ledger, budget(1_000)).and_concurrency(1);
        let service = layer.layer(Inner::new(Answer::ok(Script::new([Step::Wait]))));

        let mut call = Box::pin(service.oneshot(request()));
        for _ in 0..polls {
            let mut cx = Context::from_waker(Waker::noop());
            if call.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        sleep(Duration::from_secs(2)).await;

        assert_eq!(layer.in_flight(), 0, "{polls}");
        let state = ledger.snapshot(&claim(&budget_of(Mode::Hard)));
        assert_eq!(state.map_or(0, |state| state.held.nanos()), 0, "{polls}");
        let passed = tokio::time::timeout(Duration::from_secs(1), ask(&layer)).await;
        assert_eq!(passed.unwrap().status(), 200);
    }
}

#[test]
fn a_budget_keeps_the_contract_and_no_hold_stays_open() {
    let ledger = Ledger::volatile();
    let layer = layer(&ledger, budget(1_000_000));
    // The kit runs no tasks: what is needed of the bank is there already.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let budget = Budget::hard(Cost::from_nanos(1_000_000), Period::Day);
    let lease = ledger.hold_soon(&[claim(&budget)], Cost::from_nanos(900_000));
    drop(runtime.block_on(lease).unwrap());

    let looked_at = ledger.clone();
    Contract::new(move |inner| layer.layer(inner))
        .request(request)
        .refused(|request| {
            request.extensions_mut().remove::<Principal>();
        })
        .settled(move || looked_at.snapshot(&claim(&budget)).unwrap().held.nanos() == 0)
        .check();
}

fn layer(ledger: &Ledger, budget: Rule) -> QuotaLayer {
    QuotaLayer::unlimited()
        .rule(budget)
        .ledger(ledger.clone())
        .worst(worst)
}

fn budget(limit: i64) -> Rule {
    Rule::budget(Budget::hard(Cost::from_nanos(limit), Period::Day))
}

fn budget_of(mode: Mode) -> Budget {
    let limit = Cost::from_nanos(1_000);
    match mode {
        Mode::Hard => Budget::hard(limit, Period::Day),
        Mode::Soft => Budget::soft(limit, Period::Day),
        Mode::Observe => Budget::observe(limit, Period::Day),
    }
}

fn claim(budget: &Budget) -> Claim<'_> {
    Claim {
        scope: "key",
        account: "key-1",
        name: "budget",
        budget,
    }
}

fn state(ledger: &Ledger, mode: Mode) -> State {
    ledger.snapshot(&claim(&budget_of(mode))).unwrap()
}

async fn ask(layer: &QuotaLayer) -> Response<()> {
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    service.oneshot(request()).await.unwrap().map(drop)
}

/// An answer that does not end by itself.
async fn hold(
    layer: &QuotaLayer,
) -> Response<impl http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug> + Unpin + use<>> {
    let body = Script::new([Step::Data(b"a"), Step::Wait]);
    let service = layer.layer(Inner::new(Answer::ok(body)));
    let answer = service.oneshot(request()).await.unwrap();
    answer.map(Box::pin)
}

fn request() -> Request<Script> {
    let mut request = Request::new(Script::empty());
    request.extensions_mut().insert(Principal::new("key-1"));
    request
}
