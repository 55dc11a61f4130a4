//! Strict budgets: what a call may touch pays for it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tollgate_core::{
    fact::{Cost, Lifetime, Mode, Period, Principal, Strict},
    testing::Script,
};
use tollgate_quota::{
    Bank, Budget, Claim, Ledger, QuotaLayer, Rule, Settlement, Short, Warning, Why,
    bank::MemoryAuthority,
};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_call_that_may_touch_two_windows_is_paid_from_both() {
    let bench = Bench::at(HOUR - LEAD);
    let hold = bench.hold(600).await.unwrap();
    hold.settle(Settlement::Known(nanos(600)));

    let short = bench.hold(600).await.unwrap_err();
    assert_eq!((short.why, short.left), (Why::Spent, Some(nanos(400))));

    // Both windows know of it: that of this hour until no clock is in it any more, and then the next.
    for (at, ends_in) in [(HOUR + 1_999, HOUR + 1), (HOUR + 2_000, HOUR)] {
        bench.until(at).await;
        let short = bench.hold(600).await.unwrap_err();
        assert_eq!(
            (short.why, short.left),
            (Why::Spent, Some(nanos(400))),
            "{at}"
        );
        assert_eq!(
            short.resets_in,
            Some(Duration::from_millis(ends_in)),
            "{at}"
        );
    }
    bench.until(2 * HOUR + 2_000).await;
    assert!(bench.hold(600).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_becomes_dearer_holds_more_of_both_windows() {
    let bench = Bench::at(HOUR - LEAD);
    let mut hold = bench.hold(300).await.unwrap();

    hold.raise(nanos(700));

    for at in [HOUR - LEAD, HOUR + 2_000] {
        bench.until(at).await;
        let state = bench.ledger.snapshot(&bench.claim()).unwrap();
        assert_eq!((state.held, state.left), (nanos(700), nanos(300)), "{at}");
    }
    hold.settle(Settlement::Known(nanos(650)));
    let state = bench.ledger.snapshot(&bench.claim()).unwrap();
    assert_eq!((state.held, state.spent), (nanos(0), nanos(650)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_in_time_is_paid_from_its_window_alone() {
    let bench = Bench::at(HOUR - LEAD - 1);
    let hold = bench.hold(1_000).await.unwrap();
    hold.settle(Settlement::Known(nanos(1_000)));
    assert_eq!(bench.hold(1).await.unwrap_err().why, Why::Spent);

    bench.until(HOUR + 2_000).await;

    assert!(bench.hold(1_000).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_that_of_the_window_that_has_least() {
    let bench = Bench::at(HOUR / 2);
    assert!(bench.ledger.snapshot(&bench.claim()).is_none());

    let hold = bench.hold(100).await.unwrap();
    let state = bench.ledger.snapshot(&bench.claim()).unwrap();
    assert_eq!((state.limit, state.left), (nanos(1_000), nanos(900)));
    assert_eq!(state.held, nanos(100));
    assert_eq!(state.ends_in, Some(Duration::from_millis(HOUR / 2 + 2_000)));

    hold.settle(Settlement::Known(nanos(30)));
    let state = bench.ledger.snapshot(&bench.claim()).unwrap();
    assert_eq!((state.left, state.spent), (nanos(970), nanos(30)));
}

#[tokio::test(start_paused = true)]
async fn what_it_pays_for_has_a_lifetime() {
    let bench = Bench::at(0);
    let hold = bench.hold(1).await.unwrap();
    let now = Instant::now();
    assert_eq!(
        hold.lifetime(),
        Some(Lifetime {
            send_by: now + Duration::from_secs(10),
            end_by: now + Duration::from_secs(300),
        })
    );
    drop(hold);

    let short = Budget::hard(nanos(1_000), Period::Day).strict(Strict {
        longest_call: Duration::from_secs(4),
        ..Strict::default()
    });
    let claims = [
        bench.claim(),
        Claim {
            name: "day",
            budget: &short,
            ..bench.claim()
        },
    ];
    let hold = bench.ledger.hold_soon(&claims, nanos(1)).await.unwrap();
    let soon = now + Duration::from_secs(4);
    assert_eq!(
        hold.lifetime(),
        Some(Lifetime {
            send_by: soon,
            end_by: soon
        })
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_lenient_soft_or_in_total_has_one_account_and_no_lifetime() {
    let limit = nanos(1_000);
    for budget in [
        Budget::hard(limit, Period::Hour),
        Budget::soft(limit, Period::Hour).strict(Strict::default()),
        Budget::hard(limit, Period::Total).strict(Strict::default()),
    ] {
        let bench = Bench::of(HOUR - LEAD, budget);
        let _ = bench.hold(1).await; // A soft one does not wait for its window.
        tokio::time::sleep(Duration::from_secs(1)).await;

        let hold = bench.hold(1).await.unwrap();

        assert_eq!(hold.lifetime(), None);
        assert!(bench.bank.granted("3:key,1:a,name").is_some());
        assert_eq!(bench.bank.granted("3:key,1:a;name"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_becomes_strict_does_not_begin_anew() {
    let lenient = Budget::hard(nanos(1_000), Period::Hour);
    // Of the hour that is the second account's, and of the one that is the first's.
    for hour in [0, HOUR] {
        let bench = Bench::at(hour);
        let claim = Claim {
            budget: &lenient,
            ..bench.claim()
        };
        let hold = bench.ledger.hold_soon(&[claim], nanos(900)).await.unwrap();
        hold.settle(Settlement::Known(nanos(900)));

        let short = bench.hold(200).await.unwrap_err();

        assert_eq!((short.why, short.left), (Why::Spent, Some(nanos(100))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_free_between_two_windows_pays_for_no_lenient_budget() {
    let lenient = Budget::hard(nanos(1_000), Period::Hour);
    let bench = Bench::at(HOUR / 2);
    drop(bench.hold(100).await.unwrap());
    let claim = Claim {
        budget: &lenient,
        ..bench.claim()
    };

    let mut holds = Vec::new();
    for amount in [100, 900, 1] {
        holds.extend(bench.ledger.hold_soon(&[claim], nanos(amount)).await);
    }

    let held: i64 = holds.iter().map(|hold| hold.amount().nanos()).sum();
    assert_eq!(held, 1_000);
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_after_a_rest() {
    let lenient = Budget::hard(nanos(1_000), Period::Hour);
    let bench = Bench::at(HOUR / 2);
    drop(bench.hold(100).await.unwrap());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let claim = Claim {
        budget: &lenient,
        ..bench.claim()
    };

    let short = bench.ledger.hold(&[claim], nanos(0)).unwrap_err();

    assert_eq!(short.why, Why::Unavailable);
    assert!(bench.ledger.hold_soon(&[claim], nanos(0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_is_a_window_and_not_what_lies_between_two() {
    for (now, ends_in) in [(HOUR / 2, HOUR / 2), (HOUR + HOUR / 2, HOUR / 2)] {
        let bench = Bench::at(now);
        drop(bench.hold(100).await.unwrap());

        let state = bench.ledger.snapshot(&bench.claim()).unwrap();

        assert_eq!(state.left, nanos(1_000));
        assert_eq!(state.ends_in, Some(Duration::from_millis(ends_in + 2_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn one_warning_is_given_though_there_are_two_accounts() {
    let warned = Arc::new(AtomicI64::new(0));
    let count = Arc::clone(&warned);
    let mut bench = Bench::at(HOUR / 2);
    bench.ledger = bench.ledger.on_warning(move |warning: &Warning<'_>| {
        assert_eq!((warning.account, warning.name), ("a", "name"));
        assert_eq!(warning.used, nanos(850));
        count.fetch_add(1, Ordering::SeqCst);
    });

    bench.hold(850).await.unwrap().settle(Settlement::Whole);

    assert_eq!(warned.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_the_request_is_told_of_its_lifetime() {
    let strict = Budget::hard(nanos(1_000), Period::Hour).strict(Strict::default());
    for (mode, is_told) in [(Mode::Hard, true), (Mode::Observe, false)] {
        let layer = QuotaLayer::unlimited()
            .rule(Rule::budget(strict.clone()).mode(mode))
            .ledger(Ledger::volatile())
            .worst(|_, _| Ok((nanos(1), 1)));
        let service = layer.layer(service_fn(async |request: Request<Script>| {
            let mut response = Response::new(Script::empty());
            response
                .extensions_mut()
                .insert(request.extensions().get::<Lifetime>().copied());
            Ok::<_, Infallible>(response)
        }));
        let mut request = Request::new(Script::empty());
        request.extensions_mut().insert(Principal::new("key"));

        let answer = service.oneshot(request).await.unwrap();

        let told = answer.extensions().get::<Option<Lifetime>>().unwrap();
        assert_eq!(told.is_some(), is_told, "{mode:?}");
    }
}

struct Bench {
    bank: MemoryAuthority,
    clock: Arc<AtomicI64>,
    ledger: Ledger,
    budget: Budget,
}

impl Bench {
    fn at(now: u64) -> Self {
        let strict = Strict {
            longest_call: Duration::from_secs(300),
            billing_lag: Duration::from_secs(60),
        };
        Self::of(now, Budget::hard(nanos(1_000), Period::Hour).strict(strict))
    }

    fn of(now: u64, budget: Budget) -> Self {
        let clock = Arc::new(AtomicI64::new(now.cast_signed()));
        let shown = Arc::clone(&clock);
        let bank = MemoryAuthority::with_clock(move || shown.load(Ordering::SeqCst));
        Self {
            ledger: Ledger::new(Bank::new(bank.clone())),
            bank,
            clock,
            budget,
        }
    }

    /// Lets that time come, for the bank and the ledger.
    async fn until(&self, now: u64) {
        let before = self.clock.swap(now.cast_signed(), Ordering::SeqCst);
        tokio::time::advance(Duration::from_millis(now - before.cast_unsigned())).await;
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            scope: "key",
            account: "a",
            name: "name",
            budget: &self.budget,
        }
    }

    async fn hold(&self, amount: i64) -> Result<tollgate_quota::Hold, Short> {
        self.ledger.hold_soon(&[self.claim()], nanos(amount)).await
    }
}

fn nanos(nanos: i64) -> Cost {
    Cost::from_nanos(nanos)
}

const HOUR: u64 = 3_600_000;
/// The longest call, the lag, the guard, and what clocks may differ.
const LEAD: u64 = 300_000 + 60_000 + 10_000 + 2_000;
