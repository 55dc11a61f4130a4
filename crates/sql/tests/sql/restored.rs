use std::{error::Error, fs, path::Path};

use tollgate_core::fact::Period;
use tollgate_quota::bank::{
    Answer, Asker, Authority, BankError, Message, Order, calendar::Calendar,
};
use tollgate_sql::{Database, SqlAuthority};

use crate::{
    authority::{LIMIT, amount, grant, message, open, window},
    sqlite,
};

#[tokio::test]
async fn a_file_that_is_opened_again_is_the_same_memory() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        let (database, authority) = at(dir.path()).await;

        let answer = authority.ask(grant(Asker(7), number, 1, 5)).await.unwrap();

        assert_eq!(window(&answer).number, 1);
        database.close().await;
    }
}

#[tokio::test]
async fn a_copy_is_an_old_memory() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (database, authority) = at(dir.path()).await;
    authority.ask(grant(Asker(7), 1, 1, 5)).await.unwrap();
    database.close().await;
    fs::create_dir(copy.path().join("data")).unwrap();
    for name in ["tollgate.db", "tollgate.db.mark"] {
        let file = |dir: &Path| dir.join("data").join(name);
        fs::copy(file(dir.path()), file(copy.path())).unwrap();
    }

    let authority = open(&sqlite(copy.path())).await;

    is_closed(authority.ask(grant(Asker(8), 1, 1, 5)).await);
}

#[tokio::test]
async fn a_backup_over_the_file_is_an_old_memory_until_it_is_stated_what_was_spent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/tollgate.db");
    let (database, authority) = at(dir.path()).await;
    let holder = Asker(7);
    authority.ask(grant(holder, 1, 100, 100)).await.unwrap();
    database.close().await;
    let backup = fs::read(&path).unwrap();
    let (database, authority) = at(dir.path()).await;
    let lost = authority.ask(grant(holder, 2, 1_000, 1_000)).await.unwrap();
    database.close().await;
    fs::write(&path, backup).unwrap(); // in place: the inode is the same

    let (_database, authority) = at(dir.path()).await;
    is_closed(authority.ask(grant(Asker(8), 1, 1, 5)).await);
    is_closed(authority.ask(grant(Asker(8), 1, 1, 5)).await);
    let seen = authority.statement("", None, 9).await.unwrap();
    let give_back = Order::GiveBack {
        window: window(&lost).number,
        amount: 1_000,
    };
    let from_before = authority
        .ask(message(holder, 3, give_back.clone()))
        .await
        .unwrap();
    assert!(authority.restate("account", 4_000).await.unwrap());
    let opened = authority.ask(grant(Asker(8), 1, 5, 5)).await.unwrap();
    let by_a_stranger = authority
        .ask(message(Asker(8), 2, give_back))
        .await
        .unwrap();
    let twice = authority.restate("account", 0).await.unwrap();
    let state = authority.statement("", None, 9).await.unwrap();

    assert!(seen[0].closed);
    assert_eq!(from_before, Answer::Old);
    assert!(
        window(&opened).number > window(&lost).number,
        "it is another window"
    );
    assert_eq!(
        by_a_stranger,
        Answer::Old,
        "nothing comes back from before the loss"
    );
    assert!(!twice, "it is open");
    assert_eq!((state[0].granted, state[0].closed), (4_005, false));
}

#[tokio::test]
async fn a_file_that_was_made_anew_is_an_old_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (database, authority) = at(dir.path()).await;
    authority.ask(grant(Asker(7), 1, 1, 5)).await.unwrap();
    database.close().await;
    fs::remove_file(dir.path().join("data/tollgate.db")).unwrap();

    let (_database, authority) = at(dir.path()).await;
    is_closed(authority.ask(grant(Asker(8), 1, 1, 5)).await);
    is_closed(authority.ask(grant(Asker(8), 1, 1, 5)).await);
    authority.restate_unknown().await.unwrap();

    assert_eq!(
        amount(&authority.ask(grant(Asker(8), 1, 1, 5)).await.unwrap()),
        5
    );
}

#[tokio::test]
async fn the_window_after_the_loss_is_open_to_all() {
    let dir = tempfile::tempdir().unwrap();
    let daily = |number, asker| Message {
        ask: match grant(asker, number, 5, 5).ask {
            Order::Grant {
                limit, least, wish, ..
            } => Order::Grant {
                limit,
                calendar: Calendar::new(Period::Day, "UTC"),
                least,
                wish,
            },
            order => order,
        },
        ..grant(asker, number, 5, 5)
    };
    let (database, authority) = at(dir.path()).await;
    let authority = authority.with_clock(|| 10 * DAY);
    authority.ask(daily(1, Asker(7))).await.unwrap();
    database.close().await;
    fs::remove_file(dir.path().join("data/tollgate.db.mark")).unwrap();

    let (_database, authority) = at(dir.path()).await;
    is_closed(
        authority
            .clone()
            .with_clock(|| 10 * DAY + 1)
            .ask(daily(1, Asker(8)))
            .await,
    );
    is_closed(
        authority
            .clone()
            .with_clock(|| 11 * DAY - 1)
            .ask(daily(1, Asker(8)))
            .await,
    );
    let next = authority
        .clone()
        .with_clock(|| 11 * DAY)
        .ask(daily(1, Asker(8)))
        .await
        .unwrap();
    let back = authority
        .with_clock(|| 10 * DAY)
        .ask(daily(2, Asker(8)))
        .await
        .unwrap();

    assert_eq!(window(&next).starts_at, 11 * DAY);
    assert_eq!(
        window(&back).number,
        window(&next).number,
        "a clock that goes back opens nothing"
    );
    assert!(matches!(next, Answer::Granted { left, .. } if left == LIMIT - 5));
}

pub(crate) fn is_closed(answer: Result<Answer, BankError>) {
    let error = answer.expect_err("the window is closed");
    let source = error.source().expect("it says why").to_string();
    assert!(source.contains("restored"), "{source}");
}

async fn at(dir: &Path) -> (Database, SqlAuthority) {
    let database = Database::open(&sqlite(dir)).await.unwrap();
    (database.clone(), SqlAuthority::new(database))
}

const DAY: i64 = 24 * 60 * 60 * 1_000;
