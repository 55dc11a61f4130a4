//! Rates in a store that several processes share.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, StatusCode};
use tokio::time::{advance, sleep};
use tollgate_core::{
    Limits, Rejection, Trail,
    fact::{Call, Dispatch, Measure, Mode, Operation, Principal, Scope, Target, Usage},
    testing::{Answer, Contract, Fault, Inner, Script},
};
use tollgate_quota::{
    Away, Correction, Quota, QuotaLayer, RateAccount, RateStore, Remaining, Rule, Take, Taken,
    bank::{Answering, BankError},
};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn all_shared_rates_are_asked_for_at_once() {
    let store = Fake::default();
    let layer = QuotaLayer::new(Quota::per_minute(10))
        .rule(Rule::cost(Quota::per_hour(100), |_| 7))
        .and_concurrency(2)
        .store(store.clone());

    let answer = ask(&layer).await;

    let limits = answer.extensions().get::<Limits>().unwrap().clone();
    let left: Vec<_> = limits.iter().map(|limit| limit.remaining).collect();
    assert_eq!(left, [9, 93, 1]);
    assert_eq!(store.taken(), 8);
    store.short(1);
    let refused = ask(&layer).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "5");
    let rejection = refused.extensions().get::<Rejection>().unwrap();
    assert!(rejection.message().contains("\"units\""));
    assert_eq!(store.taken(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_shared_rate_that_only_looks_on_refuses_nothing() {
    let store = Fake::default();
    let layer = QuotaLayer::new(Quota::per_minute(10))
        .rule(Rule::cost(Quota::per_hour(100), |_| 7).mode(Mode::Observe))
        .store(store.clone());
    store.short(1);

    assert_eq!(ask(&layer).await.status(), 200);

    assert_eq!(store.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_all_tenants_share_is_one_account_in_the_store_too() {
    for (scope, accounts) in [(Scope::Model, 1), (Scope::Target, 1), (Scope::EndUser, 2)] {
        let store = Fake::default();
        let layer = QuotaLayer::unlimited()
            .rule(Rule::requests(Quota::per_minute(10)).of(scope))
            .store(store.clone());
        for tenant in ["a", "b"] {
            let mut call = Call::new(Operation::Chat, "m");
            call.end_user = Some("u".into());
            let mut request = Request::new(Script::empty());
            let principal = Principal::new(tenant);
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(call);
            request.extensions_mut().insert(Target::new("t"));
            let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
            assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
        }
        assert_eq!(
            store.0.lock().unwrap().accounts.len(),
            accounts,
            "{scope:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_each_rate_has_its_answer() {
    for (away, passes, header) in [
        (Away::Deny, 0, None),
        (Away::LocalShare(2), 3, Some("local-share")),
        (Away::Allow, 10, Some("allow")),
    ] {
        let store = Fake::default();
        store.away(true);
        let layer = QuotaLayer::new(Quota::per_minute(6))
            .when_away(away)
            .store(store.clone());

        let mut passed = 0;
        for _ in 0..10 {
            let answer = ask(&layer).await;
            if answer.status() == 200 {
                passed += 1;
                assert_eq!(answer.headers()["x-tollgate-rates"], header.unwrap());
            } else if away == Away::Deny {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.headers()["retry-after"], "1");
            }
        }

        assert_eq!(passed, passes, "{away:?}");
        assert_eq!(store.asked(), 1, "one that is away is left alone");
        store.away(false);
        advance(Duration::from_secs(1)).await;
        let answer = ask(&layer).await;
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("x-tollgate-rates"));
        assert_eq!(store.taken(), 1, "it is not told of what it did not count");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_used_is_told_to_whoever_counted_it() {
    let store = Fake::default();
    let rule = Rule::tokens(Measure::OutputTokens, Quota::per_minute(5_000));
    let layer = QuotaLayer::unlimited()
        .rule(rule)
        .expect_output(1_000)
        .when_away(Away::LocalShare(1))
        .store(store.clone());
    let service = layer.layer(service_fn(async |mut request: Request<Script>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Dispatch::Yes);
        let output = 30;
        trail.set(Usage {
            output,
            ..Usage::default()
        });
        Ok::<_, Fault>(http::Response::new(Script::empty()))
    }));
    let ask = || service.clone().oneshot(request());

    let answer = ask().await.unwrap();
    let limits = answer.extensions().get::<Limits>().unwrap();
    assert_eq!(limits.iter().next().unwrap().remaining, 4_000);
    assert_eq!(store.taken(), 30);

    store.away(true);
    drop(ask().await.unwrap());
    assert_eq!(store.taken(), 30);
    let answer = ask().await.unwrap();
    let limits = answer.extensions().get::<Limits>().unwrap();
    assert_eq!(limits.iter().next().unwrap().remaining, 3_970);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_the_store_is_asked_takes_nothing() {
    let store = Fake::default();
    store.slow();
    let layer = QuotaLayer::new(Quota::per_minute(6)).store(store.clone());
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));

    let mut call = Box::pin(service.oneshot(request()));
    let poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    drop(call);
    sleep(Duration::from_secs(1)).await;

    assert_eq!((store.asked(), store.taken()), (1, 0));
}

#[test]
fn shared_rates_keep_the_contract() {
    let store = Fake::default();
    let layer = QuotaLayer::new(Quota::per_second(1_000_000))
        .and_concurrency(1)
        .store(store);
    let looked_at = layer.clone();

    Contract::new(move |inner| layer.layer(inner))
        .request(request)
        .refused(|request| {
            request.extensions_mut().remove::<Principal>();
        })
        .settled(move || looked_at.in_flight() == 0)
        .check();
}

/// Counts, and answers as it is told.
#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: usize,
    taken: i64,
    accounts: HashSet<RateAccount>,
    away: bool,
    slow: bool,
    short: Option<usize>,
}

impl Fake {
    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    fn taken(&self) -> i64 {
        self.0.lock().unwrap().taken
    }

    fn away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    fn slow(&self) {
        self.0.lock().unwrap().slow = true;
    }

    /// This one has too little, once.
    fn short(&self, index: usize) {
        self.0.lock().unwrap().short = Some(index);
    }
}

impl RateStore for Fake {
    fn take(&self, takes: Vec<Take>) -> Answering<Taken> {
        let state = Arc::clone(&self.0);
        let slow = state.lock().unwrap().slow;
        state.lock().unwrap().asked += 1;
        let accounts = takes.iter().map(|take| take.account.clone());
        state.lock().unwrap().accounts.extend(accounts);
        Box::pin(async move {
            if slow {
                sleep(Duration::from_millis(10)).await;
            }
            let mut state = state.lock().unwrap();
            if state.away {
                return Err(BankError::new("scripted"));
            }
            if let Some(index) = state.short.take() {
                return Ok(Taken::Short {
                    index,
                    remaining: 0,
                    wait: Duration::from_secs(5),
                });
            }
            let left = takes.iter().map(|take| {
                state.taken += i64::try_from(take.cost).unwrap();
                Remaining {
                    remaining: take.rate.burst - take.cost,
                    reset: Duration::from_secs(1),
                }
            });
            Ok(Taken::All(left.collect()))
        })
    }

    fn correct(&self, corrections: Vec<Correction>) {
        let sum: i64 = corrections.iter().map(|it| it.more).sum();
        self.0.lock().unwrap().taken += sum;
    }
}

async fn ask(layer: &QuotaLayer) -> http::Response<()> {
    let service = layer.layer(Inner::new(Answer::ok(Script::empty())));
    service.oneshot(request()).await.unwrap().map(drop)
}

fn request() -> Request<Script> {
    let mut request = Request::new(Script::empty());
    request.extensions_mut().insert(Principal::new("key-1"));
    request
}
