//! What every [`Authority`] promises, as a suite that each implementation runs.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use futures_util::future::join_all;
use tollgate_core::fact::{Cost, Period};

use super::{
    Answer, Asker, Authority, BankError, Message, Order, Window,
    calendar::{Calendar, Half},
};

/// A clock that is set by hand, in milliseconds since 1970. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

/// Tries an authority that goes by this clock. Each part asks for one anew; they may share a database.
///
/// # Panics
/// If a promise is not kept.
pub async fn authority_contract<A: Authority>(make: impl AsyncFn(TestClock) -> A) {
    let bench = async || {
        let clock = TestClock(Arc::new(AtomicI64::new(NOON)));
        Bench {
            authority: make(clock.clone()).await,
            clock,
            account: format!("{:032x}", Asker::random().0).into(),
        }
    };
    an_answer_is_final_for_its_number(&bench().await).await;
    a_no_does_not_become_a_yes(&bench().await).await;
    smaller_numbers_and_unknown_askers_are_old(&bench().await).await;
    a_grant_is_between_the_least_and_the_wish(&bench().await).await;
    concurrent_askers_never_get_more_than_there_is(&bench().await).await;
    one_message_sent_twice_at_once_is_decided_once(&bench().await).await;
    a_limit_below_what_is_granted_ends_grants(&bench().await).await;
    a_window_turns_with_the_clock_and_never_opens_again(&bench().await).await;
    windows_are_contiguous_when_the_period_changes(&bench().await).await;
    between_its_windows_a_half_grants_whatever_is_wished(&bench().await).await;
    a_gap_ends_when_the_budget_is_strict_no_more(&bench().await).await;
    a_half_needs_a_clock_that_does_not_go_back(&bench().await).await;
    only_a_window_that_was_named_is_booked_on(&bench().await).await;
    what_is_settled_late_belongs_to_its_window(&bench().await).await;
    a_charge_counts_whatever_the_limit(&bench().await).await;
    amounts_that_make_no_sense_are_refused(&bench().await).await;
    accounts_are_apart(&bench().await).await;
}

async fn an_answer_is_final_for_its_number<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let first = bench.ask(asker, 1, grant(1_000, 100, 100)).await.unwrap();
    bench.clock.set(NOON + 5_000);

    let again = bench.ask(asker, 1, grant(1_000, 100, 100)).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(bench.granted(1_000).await, 100);
    let window = window(&first);
    let back = Order::GiveBack {
        window: window.number,
        amount: 40,
    };
    let booked = bench.ask(asker, 2, back.clone()).await.unwrap();
    assert_eq!(bench.ask(asker, 2, back).await.unwrap(), booked);
    assert_eq!(bench.granted(1_000).await, 60);
    let charge = Order::Charge {
        window: window.number,
        amount: 7,
    };
    let booked = bench.ask(asker, 3, charge.clone()).await.unwrap();
    assert_eq!(bench.ask(asker, 3, charge).await.unwrap(), booked);
    assert_eq!(bench.granted(1_000).await, 67);
}

async fn a_no_does_not_become_a_yes<A: Authority>(bench: &Bench<A>) {
    let (one, two) = (Asker::random(), Asker::random());
    let all = bench.ask(one, 1, grant(100, 100, 100)).await.unwrap();
    let no = bench.ask(two, 1, grant(100, 10, 10)).await.unwrap();
    assert!(matches!(no, Answer::Spent { left: 0, .. }), "{no:?}");
    bench
        .ask(
            one,
            2,
            Order::GiveBack {
                window: window(&all).number,
                amount: 100,
            },
        )
        .await
        .unwrap();

    assert_eq!(bench.ask(two, 1, grant(100, 10, 10)).await.unwrap(), no);
    assert_eq!(
        amount(&bench.ask(two, 2, grant(100, 10, 10)).await.unwrap()),
        10
    );
}

async fn smaller_numbers_and_unknown_askers_are_old<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    assert_eq!(
        bench.ask(asker, 2, grant(100, 1, 1)).await.unwrap(),
        Answer::Old
    );
    bench.ask(asker, 1, grant(100, 1, 1)).await.unwrap();
    bench.ask(asker, 2, grant(100, 1, 1)).await.unwrap();

    assert_eq!(
        bench.ask(asker, 1, grant(100, 1, 1)).await.unwrap(),
        Answer::Old
    );
    // A number can be left out: whoever was not answered may go on.
    assert_eq!(
        amount(&bench.ask(asker, 9, grant(100, 1, 1)).await.unwrap()),
        1
    );
    assert_eq!(
        bench.ask(asker, 8, grant(100, 1, 1)).await.unwrap(),
        Answer::Old
    );
    assert_eq!(bench.granted(100).await, 3);
}

async fn a_grant_is_between_the_least_and_the_wish<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    for (number, least, wish) in [(1, 0, 0), (2, 1, 50), (3, 200, 400), (4, 100, i64::MAX)] {
        let answer = bench
            .ask(asker, number, grant(1_000, least, wish))
            .await
            .unwrap();

        assert!((least..=wish).contains(&amount(&answer)), "{answer:?}");
    }
    let left = 1_000 - bench.granted(1_000).await;
    assert!(left >= 0);
    let more = bench
        .ask(asker, 5, grant(1_000, left + 1, left + 1))
        .await
        .unwrap();
    assert!(
        matches!(more, Answer::Spent { left: known, .. } if known == left),
        "{more:?}"
    );
}

async fn concurrent_askers_never_get_more_than_there_is<A: Authority>(bench: &Bench<A>) {
    let granted = join_all((0..20).map(|_| async {
        let asker = Asker::random();
        let mut sum = 0;
        for number in 1..=5 {
            if let Ok(Answer::Granted { amount, .. }) =
                bench.ask(asker, number, grant(1_000, 30, 60)).await
            {
                sum += amount;
            }
        }
        sum
    }))
    .await;

    let sum: i64 = granted.iter().sum();
    assert!((940..=1_000).contains(&sum), "{sum}");
    assert_eq!(bench.granted(1_000).await, sum);
}

async fn one_message_sent_twice_at_once_is_decided_once<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let answers = join_all((0..4).map(|_| bench.ask(asker, 1, grant(1_000, 100, 100)))).await;

    // One that cannot be decided now may stay without an answer.
    let mut known = answers.into_iter().flatten();
    let first = known.next().expect("one of them is answered");
    assert!(known.all(|answer| answer == first));
    assert_eq!(bench.granted(1_000).await, 100);
}

async fn a_limit_below_what_is_granted_ends_grants<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let first = bench.ask(asker, 1, grant(1_000, 600, 600)).await.unwrap();

    let lowered = bench.ask(asker, 2, grant(500, 1, 1)).await.unwrap();

    assert!(
        matches!(lowered, Answer::Spent { left: -100, .. }),
        "{lowered:?}"
    );
    let back = Order::GiveBack {
        window: window(&first).number,
        amount: 150,
    };
    assert_eq!(
        bench.ask(asker, 3, back).await.unwrap(),
        Answer::Booked { left: 50 }
    );
    assert_eq!(
        amount(&bench.ask(asker, 4, grant(500, 50, 50)).await.unwrap()),
        50
    );
    assert_eq!(
        amount(&bench.ask(asker, 5, grant(1_000, 200, 200)).await.unwrap()),
        200,
        "it is raised again"
    );
}

async fn a_window_turns_with_the_clock_and_never_opens_again<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let first = window(&bench.ask(asker, 1, grant(100, 100, 100)).await.unwrap());
    assert_eq!((first.now, first.ends_at), (NOON, NOON + HOUR));
    assert!(first.starts_at <= NOON);
    bench.clock.set(first.ends_at - 1);
    assert!(matches!(
        bench.ask(asker, 2, grant(100, 1, 1)).await.unwrap(),
        Answer::Spent { .. }
    ));

    bench.clock.set(first.ends_at);
    let second = bench.ask(asker, 3, grant(100, 60, 60)).await.unwrap();

    assert_eq!(amount(&second), 60);
    let second = window(&second);
    assert!(second.number > first.number);
    assert_eq!(
        (second.starts_at, second.ends_at),
        (first.ends_at, first.ends_at + HOUR)
    );
    // The clock goes back by ten days: time does not.
    bench.clock.set(NOON - 240 * HOUR);
    let later = bench.ask(asker, 4, grant(100, 60, 60)).await.unwrap();
    assert!(matches!(later, Answer::Spent { left: 40, .. }), "{later:?}");
    assert_eq!(window(&later).number, second.number);
    assert!(window(&later).now >= first.ends_at);
    bench.clock.set(NOON + 240 * HOUR);
    let third = window(&bench.ask(asker, 5, grant(100, 60, 60)).await.unwrap());
    assert!(third.number > second.number);
    assert_eq!(third.starts_at, second.ends_at, "windows are contiguous");
    assert_eq!(third.ends_at, NOON + 241 * HOUR);
}

async fn windows_are_contiguous_when_the_period_changes<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let first = window(&bench.ask(asker, 1, grant(100, 100, 100)).await.unwrap());

    let daily = |least| Order::Grant {
        limit: Cost::from_nanos(100),
        calendar: Calendar::new(Period::Day, "Asia/Tokyo"),
        least,
        wish: least,
    };
    let same = bench.ask(asker, 2, daily(1)).await.unwrap();
    assert!(
        matches!(same, Answer::Spent { .. }),
        "it takes effect when the running window ends: {same:?}"
    );
    assert_eq!(window(&same).ends_at, first.ends_at);
    bench.clock.set(first.ends_at);
    let next = window(&bench.ask(asker, 3, daily(1)).await.unwrap());

    assert_eq!(next.starts_at, first.ends_at);
    assert_eq!(next.ends_at, NOON + 3 * HOUR, "midnight in Tokyo");
}

async fn between_its_windows_a_half_grants_whatever_is_wished<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let strict = |least| Order::Grant {
        limit: Cost::from_nanos(100),
        calendar: half_of_this_hour(),
        least,
        wish: least,
    };

    let first = bench.ask(asker, 1, strict(100)).await.unwrap();
    let spent = bench.ask(asker, 2, strict(1)).await.unwrap();
    assert_eq!(window(&first).ends_at, NOON + HOUR + 2_000);
    assert!(matches!(spent, Answer::Spent { left: 0, .. }), "{spent:?}");

    bench.clock.set(NOON + HOUR + 2_000);
    let gap = bench.ask(asker, 3, strict(1_000_000)).await.unwrap();
    assert_eq!(amount(&gap), 1_000_000);
    assert_eq!(window(&gap).starts_at, window(&first).ends_at);
    assert_eq!(window(&gap).ends_at, NOON + 2 * HOUR - 60_000);
    let back = Order::GiveBack {
        window: window(&gap).number,
        amount: 400_000,
    };
    assert!(!is_refused(&bench.ask(asker, 4, back).await));

    bench.clock.set(NOON + 2 * HOUR - 60_000);
    let next = bench.ask(asker, 5, strict(100)).await.unwrap();
    let spent = bench.ask(asker, 6, strict(1)).await.unwrap();
    assert_eq!(window(&next).starts_at, window(&gap).ends_at);
    assert_eq!(window(&next).ends_at, NOON + 3 * HOUR + 2_000);
    assert!(matches!(spent, Answer::Spent { left: 0, .. }), "{spent:?}");
}

async fn a_gap_ends_when_the_budget_is_strict_no_more<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let strict = |least| Order::Grant {
        limit: Cost::from_nanos(100),
        calendar: half_of_this_hour(),
        least,
        wish: least,
    };
    bench.clock.set(NOON + HOUR + 2_000);
    let gap = bench.ask(asker, 1, strict(1_000)).await.unwrap();
    bench.clock.set(NOON + HOUR + 3_000);

    let lenient = bench.ask(asker, 2, grant(100, 100, 100)).await.unwrap();
    let spent = bench.ask(asker, 3, grant(100, 1, 1)).await.unwrap();
    // Strict again, it takes effect when the running window ends.
    let strict = bench.ask(asker, 4, strict(1)).await.unwrap();

    assert_eq!(window(&lenient).number, window(&gap).number + 1);
    assert_eq!(window(&lenient).starts_at, NOON + HOUR + 3_000);
    assert_eq!(window(&lenient).ends_at, NOON + 2 * HOUR);
    assert!(matches!(spent, Answer::Spent { left: 0, .. }), "{spent:?}");
    assert!(
        matches!(strict, Answer::Spent { left: 0, .. }),
        "{strict:?}"
    );
}

async fn a_half_needs_a_clock_that_does_not_go_back<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let order = Order::Grant {
        limit: Cost::from_nanos(100),
        calendar: half_of_this_hour(),
        least: 1,
        wish: 1,
    };
    bench.ask(asker, 1, order.clone()).await.unwrap();

    bench.clock.set(NOON - 2_000);
    assert!(!is_refused(&bench.ask(asker, 2, order.clone()).await));
    bench.clock.set(NOON - 2_001);
    assert!(is_refused(&bench.ask(asker, 3, order.clone()).await));
    bench.clock.set(NOON);
    assert!(!is_refused(&bench.ask(asker, 3, order).await));
}

async fn only_a_window_that_was_named_is_booked_on<A: Authority>(bench: &Bench<A>) {
    let (asker, stranger) = (Asker::random(), Asker::random());
    let first = window(&bench.ask(asker, 1, grant(100, 50, 50)).await.unwrap());

    let back = Order::GiveBack {
        window: first.number,
        amount: 10,
    };
    assert!(is_refused(&bench.ask(stranger, 1, back).await));
    let unknown = Order::GiveBack {
        window: first.number + 7,
        amount: 10,
    };
    assert!(is_refused(&bench.ask(asker, 2, unknown).await));
    bench.clock.set(first.ends_at);
    let late = Asker::random();
    bench.ask(late, 1, grant(100, 0, 0)).await.unwrap();
    let charge = Order::Charge {
        window: first.number,
        amount: 10,
    };
    assert!(
        is_refused(&bench.ask(late, 2, charge).await),
        "it was never told of that window"
    );
}

async fn what_is_settled_late_belongs_to_its_window<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let first = window(&bench.ask(asker, 1, grant(100, 100, 100)).await.unwrap());
    bench.clock.set(first.ends_at + 1);
    bench.ask(asker, 2, grant(100, 60, 60)).await.unwrap();

    let charge = Order::Charge {
        window: first.number,
        amount: 10,
    };
    let booked = bench.ask(asker, 3, charge).await.unwrap();

    assert_eq!(booked, Answer::Booked { left: -10 });
    assert_eq!(bench.granted(100).await, 60);
}

async fn a_charge_counts_whatever_the_limit<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let window = window(&bench.ask(asker, 1, grant(100, 0, 0)).await.unwrap());

    let charge = Order::Charge {
        window: window.number,
        amount: 250,
    };
    assert_eq!(
        bench.ask(asker, 2, charge).await.unwrap(),
        Answer::Booked { left: -150 }
    );

    let more = bench.ask(asker, 3, grant(100, 1, 1)).await.unwrap();
    assert!(matches!(more, Answer::Spent { left: -150, .. }), "{more:?}");
    // To look costs nothing, also then.
    let look = bench.ask(asker, 4, grant(100, 0, 0)).await.unwrap();
    assert!(
        matches!(
            look,
            Answer::Granted {
                amount: 0,
                left: -150,
                ..
            } | Answer::Spent { left: -150, .. }
        ),
        "{look:?}"
    );
}

async fn amounts_that_make_no_sense_are_refused<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    let number = window(&bench.ask(asker, 1, grant(1_000, 100, 100)).await.unwrap()).number;
    for (count, order) in [
        grant(1_000, -1, 10),
        grant(1_000, 10, 9),
        grant(-5, 0, 0),
        Order::GiveBack {
            window: number,
            amount: -1,
        },
        Order::GiveBack {
            window: number,
            amount: i64::MIN,
        },
        Order::GiveBack {
            window: number,
            amount: 101,
        },
        Order::GiveBack {
            window: number,
            amount: i64::MAX,
        },
        Order::Charge {
            window: number,
            amount: -1,
        },
        Order::Charge {
            window: number,
            amount: i64::MIN,
        },
    ]
    .into_iter()
    .enumerate()
    {
        let answer = bench.ask(asker, 2 + count as u64, order.clone()).await;

        assert!(is_refused(&answer), "{order:?}: {answer:?}");
        assert_eq!(bench.granted(1_000).await, 100, "{order:?}");
    }
    let asker = Asker::random();
    let all = bench
        .ask(asker, 1, grant(i64::MAX, i64::MAX - 100, i64::MAX))
        .await
        .unwrap();
    assert_eq!(amount(&all), i64::MAX - 100, "the largest sums are held");
    let charge = Order::Charge {
        window: number,
        amount: i64::MAX,
    };
    let booked = bench.ask(asker, 2, charge).await;
    assert!(matches!(booked, Ok(Answer::Booked { .. })), "{booked:?}");
    assert_eq!(bench.granted(1_000).await, i64::MAX, "it is spent");
}

async fn accounts_are_apart<A: Authority>(bench: &Bench<A>) {
    let asker = Asker::random();
    bench.ask(asker, 1, grant(100, 100, 100)).await.unwrap();

    let other = Message {
        account: format!("{}'%_ü", bench.account).into(),
        asker,
        number: 1,
        ask: grant(100, 100, 100),
    };
    let answer = bench.authority.ask(other).await.unwrap();

    assert_eq!(amount(&answer), 100);
}

struct Bench<A> {
    authority: A,
    clock: TestClock,
    account: Arc<str>,
}

impl<A: Authority> Bench<A> {
    async fn ask(&self, asker: Asker, number: u64, ask: Order) -> Result<Answer, BankError> {
        let account = Arc::clone(&self.account);
        self.authority
            .ask(Message {
                account,
                asker,
                number,
                ask,
            })
            .await
    }

    /// What is granted of the running window, as someone new is told.
    async fn granted(&self, limit: i64) -> i64 {
        match self
            .ask(Asker::random(), 1, grant(limit, 0, 0))
            .await
            .unwrap()
        {
            Answer::Granted {
                left, amount: 0, ..
            }
            | Answer::Spent { left, .. } => limit - left,
            other => panic!("to look grants nothing: {other:?}"),
        }
    }
}

fn grant(limit: i64, least: i64, wish: i64) -> Order {
    Order::Grant {
        limit: Cost::from_nanos(limit),
        calendar: Calendar::new(Period::Hour, "UTC"),
        least,
        wish,
    }
}

/// The half that has the hour from noon on, with calls of a minute.
fn half_of_this_hour() -> Calendar {
    Calendar {
        half: Some(Half {
            is_odd: (NOON / HOUR + 1) % 2 == 1,
            lead: 60_000,
        }),
        ..Calendar::new(Period::Hour, "UTC")
    }
}

fn amount(answer: &Answer) -> i64 {
    match answer {
        Answer::Granted { amount, .. } => *amount,
        other => panic!("it was not granted: {other:?}"),
    }
}

fn window(answer: &Answer) -> Window {
    match answer {
        Answer::Granted { window, .. } | Answer::Spent { window, .. } => *window,
        other => panic!("it names no window: {other:?}"),
    }
}

/// To refuse is always safe; how it is said is the authority's own.
fn is_refused(answer: &Result<Answer, BankError>) -> bool {
    matches!(answer, Err(_) | Ok(Answer::Old | Answer::Spent { .. }))
}

/// The 23rd of November 2026, at noon.
const NOON: i64 = 1_795_435_200_000;

const HOUR: i64 = 3_600_000;
