use std::{any::Any, collections::HashSet, future::poll_fn, task::Poll, time::Duration};

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::bank::{
    Answer, Asker, Authority, Message, Order, Window,
    calendar::{Calendar, Half},
    testing::{TestClock, authority_contract},
};
use tollgate_sql::{Database, SqlAuthority};

use crate::on_both;

on_both! {
    the_contract_of_an_authority_holds
    many_who_race_never_get_more_than_the_limit
    an_answer_is_final_also_for_a_new_process
    a_message_that_comes_twice_at_once_is_answered_once
    what_was_lost_on_the_way_changes_nothing
    what_can_not_be_booked_on_any_more_is_not_kept
    askers_that_are_long_gone_are_strangers
    a_row_that_somebody_else_has_locked_is_not_waited_for_without_end
    operators_see_what_is_granted
}

async fn the_contract_of_an_authority_holds(url: SecretString) {
    let database = Database::open(&url).await.unwrap();

    authority_contract(async |clock: TestClock| {
        SqlAuthority::new(database.clone()).with_clock(move || clock.now())
    })
    .await;
}

async fn many_who_race_never_get_more_than_the_limit(url: SecretString) {
    let pools = [open(&url).await, open(&url).await];
    let race = (0..8).map(|task| {
        let authority = pools[task % 2].clone();
        tokio::spawn(async move {
            let (asker, mut granted) = (Asker::random(), 0);
            for number in 1.. {
                match authority.ask(grant(asker, number, 7, 40)).await.unwrap() {
                    Answer::Granted { amount, .. } => granted += amount,
                    Answer::Spent { .. } => return granted,
                    answer => panic!("{answer:?}"),
                }
            }
            granted
        })
    });

    let granted: i64 = join_all(race).await.into_iter().map(Result::unwrap).sum();

    assert!((LIMIT - 7..=LIMIT).contains(&granted), "{granted}");
    assert_eq!(
        pools[0].statement("", None, 9).await.unwrap()[0].granted,
        granted
    );
}

async fn an_answer_is_final_also_for_a_new_process(url: SecretString) {
    let asker = Asker::random();
    let (first, second) = (grant(asker, 1, 1, 50), grant(asker, 2, LIMIT, LIMIT));
    let database = Database::open(&url).await.unwrap();
    let before = SqlAuthority::new(database.clone());
    let yes = before.ask(first.clone()).await.unwrap();
    let repeated = before.ask(first.clone()).await.unwrap();
    let no = before.ask(second.clone()).await.unwrap();
    let amount = amount(&yes);
    let back = Order::GiveBack {
        window: window(&yes).number,
        amount,
    };
    let other = Message {
        asker: Asker::random(),
        ..first.clone()
    };
    database.close().await;

    let after = open(&url).await;
    let again = after.ask(second).await.unwrap();
    let old = after.ask(first).await.unwrap();
    let booked = after.ask(message(asker, 3, back.clone())).await.unwrap();
    let twice = after.ask(message(asker, 3, back)).await.unwrap();
    let others = after.ask(other).await.unwrap();

    assert_eq!(repeated, yes);
    assert!(matches!(no, Answer::Spent { .. }));
    assert_eq!(again, no, "a no does not become a yes");
    assert_eq!(old, Answer::Old);
    assert_eq!(booked, Answer::Booked { left: LIMIT });
    assert_eq!(twice, booked);
    assert!(matches!(others, Answer::Granted { .. }), "{others:?}");
}

async fn a_message_that_comes_twice_at_once_is_answered_once(url: SecretString) {
    let pools = [open(&url).await, open(&url).await];
    let message = grant(Asker::random(), 1, 1, 50);
    let sent = (0..8).map(|copy| pools[copy % 2].ask(message.clone()));

    let answers: Vec<Answer> = join_all(sent)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let granted = pools[0].statement("", None, 9).await.unwrap()[0].granted;
    assert_eq!(granted, amount(&answers[0]));
}

async fn what_can_not_be_booked_on_any_more_is_not_kept(url: SecretString) {
    let authority = open(&url).await;
    let hourly = |number| Order::Grant {
        limit: Cost::from_nanos(LIMIT),
        calendar: Calendar::new(Period::Hour, "UTC"),
        least: number,
        wish: number,
    };
    let asker = Asker::random();
    for hour in 1..=10 {
        let authority = authority.clone().with_clock(move || hour * 3_600_000);
        let granted = authority
            .ask(message(asker, hour as u64, hourly(hour)))
            .await
            .unwrap();
        assert_eq!(window(&granted).number, hour as u64);
    }
    let late = authority.with_clock(|| 10 * 3_600_000);
    let back = |window| Order::GiveBack { window, amount: 1 };

    let recent = late.ask(message(asker, 11, back(7))).await.unwrap();
    let gone = late.ask(message(asker, 12, back(6))).await.unwrap();

    assert_eq!(recent, Answer::Booked { left: LIMIT - 6 });
    assert_eq!(gone, Answer::Old);
    assert_eq!(rows(&url, "SELECT COUNT(*) FROM tollgate_window").await, 4);
}

async fn askers_that_are_long_gone_are_strangers(url: SecretString) {
    let authority = open(&url).await;
    let at = |day: i64| authority.clone().with_clock(move || day * 24 * 3_600_000);
    let (gone, here) = (Asker::random(), Asker::random());
    let granted = at(1).ask(grant(gone, 1, 9, 9)).await.unwrap();
    at(20).ask(grant(here, 1, 9, 9)).await.unwrap();
    at(40).ask(grant(Asker::random(), 1, 9, 9)).await.unwrap();

    let back = Order::GiveBack {
        window: window(&granted).number,
        amount: 9,
    };
    let replayed = at(40).ask(message(gone, 1, back.clone())).await.unwrap();
    let of_gone = at(40).ask(message(gone, 2, back.clone())).await.unwrap();
    let of_here = at(40).ask(message(here, 2, back)).await.unwrap();

    assert_eq!((replayed, of_gone), (Answer::Old, Answer::Old));
    assert_eq!(of_here, Answer::Booked { left: LIMIT - 18 });
    assert_eq!(rows(&url, "SELECT COUNT(*) FROM tollgate_asker").await, 2);
}

/// Whoever asks may leave at any point: it comes back with the same number, and finds out.
async fn what_was_lost_on_the_way_changes_nothing(url: SecretString) {
    let authority = open(&url).await;
    let asker = Asker::random();
    let mut taken = 0;
    for number in 1..=30 {
        let message = grant(asker, number, 1, 10);
        for polls in 0..number {
            let mut asked = authority.ask(message.clone());
            for _ in 0..polls {
                let once = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context)));
                if once.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        taken += amount(&authority.ask(message).await.unwrap());
    }

    assert_eq!(
        authority.statement("", None, 9).await.unwrap()[0].granted,
        taken
    );
}

async fn a_row_that_somebody_else_has_locked_is_not_waited_for_without_end(url: SecretString) {
    let patient = open(&url).await;
    let hurried = Database::open(&url).await.unwrap();
    let hurried = SqlAuthority::new(hurried.with_deadline(Duration::from_millis(100)));
    let asker = Asker::random();
    patient.ask(grant(asker, 1, 5, 5)).await.unwrap();

    let lock = lock(&url).await;
    let unheard = hurried.ask(grant(asker, 2, 5, 5)).await;
    drop(lock);
    let answer = patient.ask(grant(asker, 2, 5, 5)).await.unwrap();

    let error = unheard.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("100ms"), "{why}");
    assert!(matches!(answer, Answer::Granted { left, .. } if left == LIMIT - 10));
}

async fn operators_see_what_is_granted(url: SecretString) {
    let authority = open(&url).await;
    for account in ["team:a", "team:b", "team:c", "user:a"] {
        let message = Message {
            account: account.into(),
            ..grant(Asker::random(), 1, 5, 5)
        };
        authority.ask(message).await.unwrap();
    }

    let first = authority.statement("team:", None, 2).await.unwrap();
    let rest = authority
        .statement("team:", Some("team:b"), 2)
        .await
        .unwrap();

    let accounts: Vec<&str> = first.iter().chain(&rest).map(|it| &*it.account).collect();
    assert_eq!(accounts, ["team:a", "team:b", "team:c"]);
    assert_eq!(
        (first[0].limit, first[0].granted, first[0].closed),
        (Some(LIMIT), 5, false)
    );
    assert_eq!(accounts.iter().collect::<HashSet<_>>().len(), 3);

    // Between its windows, a strict budget's account has no limit.
    let noon = |day: i64| move || (day * 24 + 12) * 3_600_000;
    let mut strict = grant(Asker::random(), 1, 5, 5);
    if let Order::Grant { calendar, .. } = &mut strict.ask {
        calendar.every = Period::Day;
        calendar.half = Some(Half {
            is_odd: true,
            lead: 1_000,
        });
    }
    for (number, day, limit) in [(1, 2, Some(LIMIT)), (2, 3, None)] {
        let message = Message {
            account: "strict".into(),
            number,
            ..strict.clone()
        };
        let authority = authority.clone().with_clock(noon(day));
        authority.ask(message).await.unwrap();
        let stated = authority.statement("strict", None, 1).await.unwrap();
        assert_eq!((stated[0].limit, stated[0].granted), (limit, 5));
    }
}

pub(crate) async fn open(url: &SecretString) -> SqlAuthority {
    SqlAuthority::new(Database::open(url).await.unwrap())
}

/// Somebody who is in the middle of a transaction until it is dropped.
async fn lock(url: &SecretString) -> Box<dyn Any> {
    let url = url.expose_secret();
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let begin = sqlx::raw_sql("BEGIN IMMEDIATE");
        begin.execute(&mut connection).await.unwrap();
        Box::new(connection)
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let begin = sqlx::raw_sql("BEGIN; SELECT * FROM tollgate_budget FOR UPDATE");
        begin.execute(&mut connection).await.unwrap();
        Box::new(connection)
    }
}

/// What an operator would read.
async fn rows(url: &SecretString, select: &'static str) -> i64 {
    let url = url.expose_secret();
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query_scalar(select)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(select)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

pub(crate) fn grant(asker: Asker, number: u64, least: i64, wish: i64) -> Message<Order> {
    let order = Order::Grant {
        limit: Cost::from_nanos(LIMIT),
        calendar: Calendar::new(Period::Total, "UTC"),
        least,
        wish,
    };
    message(asker, number, order)
}

pub(crate) fn message(asker: Asker, number: u64, ask: Order) -> Message<Order> {
    Message {
        account: "account".into(),
        asker,
        number,
        ask,
    }
}

pub(crate) fn amount(answer: &Answer) -> i64 {
    match answer {
        Answer::Granted { amount, .. } => *amount,
        answer => panic!("nothing was granted: {answer:?}"),
    }
}

pub(crate) fn window(answer: &Answer) -> Window {
    match answer {
        Answer::Granted { window, .. } | Answer::Spent { window, .. } => *window,
        answer => panic!("no window was named: {answer:?}"),
    }
}

pub(crate) const LIMIT: i64 = 10_000;
