//! What a ledger promises, through its public names.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{self, Instant};
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Bank, Budget, Claim, Ledger, Settlement, Short, Why,
    bank::{Answer, Answering, Authority, BankError, MemoryAuthority, Message, Order},
};

#[tokio::test(start_paused = true)]
async fn a_hold_is_settled_to_what_was_spent() {
    let bench = Bench::new();
    let budget = hard(1_000);

    let hold = bench
        .ledger
        .hold_soon(&[claim("a", &budget)], nanos(600))
        .await
        .unwrap();
    assert_eq!(hold.amount(), nanos(600));
    assert_eq!(hold.settle(Settlement::Known(nanos(250))), None);

    let state = bench.ledger.snapshot(&claim("a", &budget)).unwrap();
    assert_eq!(
        (state.spent, state.held, state.left),
        (nanos(250), nanos(0), nanos(750))
    );
    assert!(
        state
            .ends_in
            .is_some_and(|ends_in| ends_in <= Duration::from_secs(3_600))
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_released_and_what_was_is_spent() {
    let bench = Bench::new();
    let budget = hard(1_000);
    let claims = [claim("a", &budget)];

    drop(bench.ledger.hold_soon(&claims, nanos(100)).await.unwrap());
    assert_eq!(bench.spent("a", &budget), 0);
    let mut sent = bench.ledger.hold(&claims, nanos(100)).unwrap();
    sent.mark_sent();
    drop(sent);
    assert_eq!(bench.spent("a", &budget), 100);
    let mut sent = bench.ledger.hold_soon(&claims, nanos(100)).await.unwrap();
    sent.mark_sent();
    sent.settle(Settlement::Released);
    assert_eq!(
        bench.spent("a", &budget),
        200,
        "what was sent cannot be released"
    );
    let nonsense = bench.ledger.hold_soon(&claims, nanos(100)).await.unwrap();
    nonsense.settle(Settlement::Known(nanos(-5)));
    assert_eq!(bench.spent("a", &budget), 300, "a refund is not believed");
}

#[tokio::test(start_paused = true)]
async fn all_budgets_are_held_or_none() {
    let bench = Bench::new();
    let (large, small) = (hard(1_000), hard(50));
    let claims = [claim("large", &large), claim("small", &small)];
    let first = bench.ledger.hold_soon(&claims, nanos(30)).await.unwrap();

    let short = bench
        .ledger
        .hold_soon(&claims, nanos(30))
        .await
        .unwrap_err();

    assert_eq!(
        (short.index, short.why, short.left),
        (1, Why::Spent, Some(nanos(20)))
    );
    assert!(short.resets_in.is_some());
    assert_eq!(bench.ledger.snapshot(&claims[0]).unwrap().held, nanos(30));
    assert!(bench.ledger.hold_soon(&claims, nanos(20)).await.is_ok());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_claimed_twice_is_held_twice() {
    let bench = Bench::new();
    let budget = hard(100);
    let claims = [claim("a", &budget), claim("a", &budget)];

    let hold = bench.ledger.hold_soon(&claims, nanos(50)).await.unwrap();
    assert_eq!(bench.ledger.snapshot(&claims[0]).unwrap().held, nanos(100));
    hold.settle(Settlement::Whole);

    assert_eq!(bench.spent("a", &budget), 100);
    assert!(
        bench
            .ledger
            .hold_soon(&claims[..1], nanos(1))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn more_than_was_held_is_charged() {
    let bench = Bench::new();
    let budget = hard(1_000);
    let hold = bench
        .ledger
        .hold_soon(&[claim("a", &budget)], nanos(100))
        .await
        .unwrap();

    let overrun = hold.settle(Settlement::Known(nanos(5_000))).unwrap();
    bench.ledger.close().await;

    assert_eq!((overrun.held, overrun.spent), (nanos(100), nanos(5_000)));
    assert!(overrun.debt > nanos(4_000));
    assert_eq!(bench.granted("a"), 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_is_away_is_waited_for_a_little() {
    let bench = Bench::new();
    bench.bank.away.store(true, Ordering::SeqCst);
    let budget = hard(1_000);
    let claims = [claim("a", &budget)];
    let begun = Instant::now();

    let short = bench
        .ledger
        .hold_soon(&claims, nanos(100))
        .await
        .unwrap_err();

    assert_eq!(
        short,
        Short {
            index: 0,
            why: Why::Unavailable,
            left: None,
            resets_in: None
        }
    );
    assert!(begun.elapsed() <= Duration::from_millis(51));
    bench.bank.away.store(false, Ordering::SeqCst);
    time::advance(Duration::from_secs(3)).await;
    assert!(
        bench.ledger.hold_soon(&claims, nanos(100)).await.is_ok(),
        "it comes back by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_leased_is_spent_while_the_bank_is_away() {
    let bench = Bench::new();
    let budget = hard(100_000);
    let claims = [claim("a", &budget)];
    drop(bench.ledger.hold_soon(&claims, nanos(100)).await.unwrap());
    bench.bank.away.store(true, Ordering::SeqCst);

    assert!(bench.ledger.hold(&claims, nanos(100)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn idle_accounts_give_back_by_themselves() {
    let bench = Bench::new();
    let budget = hard(100_000);
    for _ in 0..5 {
        let hold = bench
            .ledger
            .hold_soon(&[claim("a", &budget)], nanos(100))
            .await
            .unwrap();
        hold.settle(Settlement::Known(nanos(10)));
    }
    assert!(bench.granted("a") > 50);

    time::sleep(Duration::from_secs(6)).await;

    assert_eq!(bench.granted("a"), 50);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_back_all_but_what_is_held() {
    let bench = Bench::new();
    let budget = hard(100_000);
    let soft = Budget::soft(nanos(100), Period::Hour);
    let kept = bench
        .ledger
        .hold_soon(&[claim("a", &budget)], nanos(100))
        .await
        .unwrap();
    drop(
        bench
            .ledger
            .hold_soon(&[claim("b", &budget)], nanos(100))
            .await
            .unwrap(),
    );
    let counted = bench
        .ledger
        .hold_soon(&[claim("c", &soft)], nanos(30))
        .await
        .unwrap();
    counted.settle(Settlement::Whole);

    bench.ledger.close().await;

    assert_eq!(
        [bench.granted("a"), bench.granted("b"), bench.granted("c")],
        [100, 0, 30]
    );
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_though_the_bank_is_away() {
    let bench = Bench::new();
    let budget = hard(1_000);
    drop(
        bench
            .ledger
            .hold_soon(&[claim("a", &budget)], nanos(100))
            .await
            .unwrap(),
    );
    bench.bank.away.store(true, Ordering::SeqCst);
    let begun = Instant::now();

    bench.ledger.close().await;

    assert!(begun.elapsed() <= Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn an_evicted_account_is_not_forgiven() {
    let bench = Bench::with(|ledger| ledger.max_accounts(2));
    let budget = hard(100);
    let hold = bench
        .ledger
        .hold_soon(&[claim("a", &budget)], nanos(100))
        .await
        .unwrap();
    hold.settle(Settlement::Known(nanos(90)));
    let busy = bench
        .ledger
        .hold_soon(&[claim("b", &budget)], nanos(1))
        .await
        .unwrap();
    let none = bench
        .ledger
        .hold_soon(&[claim("c", &budget)], nanos(1))
        .await;
    assert_eq!(none.unwrap_err().why, Why::Unavailable, "both are in use");

    time::sleep(Duration::from_secs(6)).await;
    assert!(
        bench
            .ledger
            .hold_soon(&[claim("c", &budget)], nanos(1))
            .await
            .is_ok()
    );
    assert!(
        bench.ledger.snapshot(&claim("a", &budget)).is_none(),
        "it was evicted"
    );
    assert!(
        bench.ledger.snapshot(&claim("b", &budget)).is_some(),
        "something is open in it"
    );

    drop(busy);
    time::sleep(Duration::from_secs(6)).await;
    let short = bench
        .ledger
        .hold_soon(&[claim("a", &budget)], nanos(11))
        .await
        .unwrap_err();
    assert_eq!((short.why, short.left), (Why::Spent, Some(nanos(10))));
}

#[tokio::test(start_paused = true)]
async fn two_ledgers_never_spend_more_than_there_is() {
    let bank = Flaky::default();
    let budget = hard(10_000);
    let spent = AtomicI64::new(0);
    let ledgers = [
        Ledger::new(Bank::new(bank.clone())),
        Ledger::new(Bank::new(bank.clone())),
    ];

    join_all((0..100).map(|caller| {
        let (ledger, budget, spent) = (&ledgers[caller % 2], &budget, &spent);
        async move {
            for round in 0..20 {
                let Ok(mut hold) = ledger.hold_soon(&[claim("a", budget)], nanos(37)).await else {
                    continue;
                };
                hold.mark_sent();
                time::sleep(Duration::from_millis(7)).await;
                let cost = (caller as i64 * 7 + round) % 38;
                spent.fetch_add(cost, Ordering::SeqCst);
                hold.settle(Settlement::Known(nanos(cost)));
            }
        }
    }))
    .await;
    join_all(ledgers.iter().map(Ledger::close)).await;

    let spent = spent.into_inner();
    assert!((9_000..=10_000).contains(&spent), "{spent}");
    assert_eq!(bank.granted("a"), spent);
}

#[tokio::test(start_paused = true)]
async fn a_warning_is_told_once_a_window() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let bench = Bench::with(move |ledger| {
        ledger.on_warning(move |warning| {
            let mut seen = seen.lock().unwrap();
            seen.push((
                warning.account.to_owned(),
                warning.name.to_owned(),
                warning.limit,
            ));
        })
    });
    let budget = hard(100);

    for _ in 0..10 {
        let hold = bench
            .ledger
            .hold_soon(&[claim("a", &budget)], nanos(10))
            .await
            .unwrap();
        hold.settle(Settlement::Whole);
    }

    assert_eq!(
        *told.lock().unwrap(),
        [("a".into(), "hourly".into(), nanos(100))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_window_begins_when_the_bank_says_so() {
    let bench = Bench::new();
    let budget = hard(100);
    let claims = [claim("a", &budget)];
    bench
        .ledger
        .hold_soon(&claims, nanos(100))
        .await
        .unwrap()
        .settle(Settlement::Whole);
    let short = bench.ledger.hold_soon(&claims, nanos(1)).await.unwrap_err();
    assert_eq!(
        (short.why, short.resets_in),
        (Why::Spent, Some(Duration::from_secs(3_600)))
    );

    time::sleep(Duration::from_secs(3_600)).await;
    bench.bank.clock.fetch_add(3_600_000, Ordering::SeqCst);

    assert!(bench.ledger.hold_soon(&claims, nanos(100)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_at_any_poll_holds_nothing() {
    for polls in 0..6 {
        let bench = Bench::new();
        bench.bank.slow.store(true, Ordering::SeqCst);
        let (one, two) = (hard(1_000), hard(1_000));
        let claims = [claim("a", &one), claim("b", &two)];
        {
            let mut holding = pin!(bench.ledger.hold_soon(&claims, nanos(100)));
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                if let Poll::Ready(hold) = holding.as_mut().poll(&mut cx) {
                    drop(hold);
                    break;
                }
                time::advance(Duration::from_millis(4)).await;
            }
        }

        time::sleep(Duration::from_secs(7)).await;

        for (account, budget) in [("a", &one), ("b", &two)] {
            let state = bench.ledger.snapshot(&claim(account, budget)).unwrap();
            assert_eq!(
                (state.held, state.spent),
                (nanos(0), nanos(0)),
                "after {polls} polls"
            );
            assert_eq!(bench.granted(account), 0, "after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_cut_off_is_taken_up_again() {
    let bank = Flaky::default();
    let ledger = Ledger::new(Bank::new(bank.clone()));
    let budget = hard(1_000);
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    bank.slow.store(true, Ordering::SeqCst);
    let asks = {
        let (ledger, budget, bank) = (ledger.clone(), budget.clone(), bank.clone());
        std::thread::spawn(move || {
            // The runtime ends while its task waits for the bank.
            other.block_on(async {
                let _ = ledger.hold(&[claim("a", &budget)], nanos(100));
                tokio::task::yield_now().await;
            });
            drop(other);
            bank.asks.load(Ordering::SeqCst)
        })
        .join()
        .unwrap()
    };
    assert_eq!(asks, 1);

    time::sleep(Duration::from_secs(1)).await;
    let hold = ledger.hold_soon(&[claim("a", &budget)], nanos(100)).await;
    let hold = match hold {
        Ok(hold) => hold,
        Err(_) => ledger
            .hold_soon(&[claim("a", &budget)], nanos(100))
            .await
            .unwrap(),
    };

    assert_eq!(bank.granted("a"), 100, "it was decided once");
    drop(hold);
}

/// A ledger over a bank that a test can disturb.
struct Bench {
    bank: Flaky,
    ledger: Ledger,
}

impl Bench {
    fn new() -> Self {
        Self::with(|ledger| ledger)
    }

    fn with(set: impl FnOnce(Ledger) -> Ledger) -> Self {
        let bank = Flaky::default();
        let ledger = set(Ledger::new(Bank::new(bank.clone())));
        Self { bank, ledger }
    }

    fn spent(&self, account: &str, budget: &Budget) -> i64 {
        self.ledger
            .snapshot(&claim(account, budget))
            .unwrap()
            .spent
            .nanos()
    }

    fn granted(&self, account: &str) -> i64 {
        self.bank.granted(account)
    }
}

/// An authority that can be away, or slow, and whose clock is set by hand.
#[derive(Clone, Debug)]
struct Flaky {
    inner: MemoryAuthority,
    clock: Arc<AtomicI64>,
    away: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    asks: Arc<AtomicUsize>,
}

impl Default for Flaky {
    fn default() -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let shown = Arc::clone(&clock);
        Self {
            inner: MemoryAuthority::with_clock(move || shown.load(Ordering::SeqCst)),
            clock,
            away: Arc::default(),
            slow: Arc::default(),
            asks: Arc::default(),
        }
    }
}

impl Flaky {
    fn granted(&self, account: &str) -> i64 {
        self.inner
            .granted(&format!("3:key,{}:{account},hourly", account.len()))
            .unwrap_or(0)
    }
}

impl Authority for Flaky {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        self.asks.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(BankError::new("away")) });
        }
        let answer = self.inner.ask(message);
        let slow = self.slow.load(Ordering::SeqCst);
        Box::pin(async move {
            if slow {
                time::sleep(Duration::from_millis(10)).await;
            }
            answer.await
        })
    }
}

fn claim<'a>(account: &'a str, budget: &'a Budget) -> Claim<'a> {
    Claim {
        scope: "key",
        account,
        name: "hourly",
        budget,
    }
}

fn hard(limit: i64) -> Budget {
    Budget::hard(nanos(limit), Period::Hour)
}

fn nanos(nanos: i64) -> Cost {
    Cost::from_nanos(nanos)
}
