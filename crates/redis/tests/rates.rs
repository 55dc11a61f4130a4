//! Rates that processes share hold to the limit in every window.

#[path = "support/server.rs"]
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tollgate_quota::{Correction, Rate, RateAccount, RateStore, Remaining, Take, Taken};
use tollgate_redis::{Redis, RedisRates};

use self::server::{Server, until};

#[tokio::test]
async fn what_is_taken_is_gone_until_it_comes_back() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);

    let first = rates.take(vec![take("a", 7, DAY, 3)]).await.unwrap();
    let second = rates.take(vec![take("a", 7, DAY, 4)]).await.unwrap();
    let third = rates.take(vec![take("a", 7, DAY, 1)]).await.unwrap();

    assert_eq!(remaining(&first), [4]);
    assert_eq!(remaining(&second), [0]);
    let Taken::Short {
        index: 0,
        remaining: 0,
        wait,
    } = third
    else {
        panic!("{third:?}");
    };
    assert!(wait <= DAY / 7 && wait > DAY / 8, "{wait:?}");
}

#[tokio::test]
async fn all_are_taken_or_none() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);

    let refused = rates.take(vec![
        take("a", 5, DAY, 1),
        take("b", 2, DAY, 2),
        take("b", 2, DAY, 1),
    ]);
    let refused = refused.await.unwrap();
    let taken = rates.take(vec![
        take("a", 5, DAY, 5),
        take("b", 2, DAY, 1),
        take("b", 2, DAY, 1),
    ]);

    assert!(
        matches!(refused, Taken::Short { index: 2, .. }),
        "{refused:?}"
    );
    assert_eq!(remaining(&taken.await.unwrap())[0], 0);
}

#[tokio::test]
async fn of_several_that_are_short_the_one_that_takes_longest_is_told() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);
    let minute = Duration::from_secs(60);
    let all = || {
        vec![
            take("a", 1, minute, 1),
            take("b", 1, DAY, 1),
            take("c", 1, minute, 1),
        ]
    };

    rates.take(all()).await.unwrap();
    let refused = rates.take(all()).await.unwrap();

    assert!(
        matches!(refused, Taken::Short { index: 1, .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_can_never_be_had_is_refused() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for rates in [rates(&server), rates(&server).leased()] {
        let never = [
            take("a", 5, DAY, 6),
            take("a", 0, DAY, 1),
            take("a", 5, Duration::ZERO, 1),
            take("a", 5, DAY, u64::MAX),
        ];
        for never in never {
            let refused = rates.take(vec![take("b", 1, DAY, 1), never]).await.unwrap();
            assert!(
                matches!(refused, Taken::Short { index: 1, .. }),
                "{refused:?}"
            );
        }
        assert_eq!(rates.take(vec![]).await.unwrap(), Taken::All(vec![]));
    }
    assert_eq!(server.command(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_key_goes_when_all_is_back() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);

    rates
        .take(vec![take("a", 10, Duration::from_secs(100), 3)])
        .await
        .unwrap();
    rates
        .take(vec![take("b", 10, Duration::from_millis(20), 10)])
        .await
        .unwrap();

    until(|| server.command(&["DBSIZE"]) == "1");
    let key = server.command(&["KEYS", "*"]);
    let left: u64 = server.command(&["PTTL", &key]).parse().unwrap();
    assert!(left <= 30_002 && left > 1000, "{left}");
}

#[tokio::test]
async fn corrections_change_what_is_left() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);
    let left = async || remaining(&rates.take(vec![take("a", 100, DAY, 0)]).await.unwrap())[0];
    rates.take(vec![take("a", 100, DAY, 40)]).await.unwrap();

    for (more, expected) in [
        (-30, 90),
        (50, 40),
        (100, 0),
        (i64::MAX, 0),
        (i64::MIN, 100),
    ] {
        correct(&rates, "a", more);
        // A take of nothing is refused as long as more is owed than there is.
        let end = Instant::now() + Duration::from_secs(10);
        while expected > 0 && left_or_none(&rates).await != Some(expected) {
            assert!(Instant::now() < end, "{more} does not leave {expected}");
        }
        while expected == 0 && left_or_none(&rates).await.is_some() {
            assert!(Instant::now() < end, "{more} leaves something");
        }
    }
    assert_eq!(left().await, 100);
}

#[tokio::test]
async fn a_changed_rate_begins_with_the_time_that_is_owed() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server);
    rates.take(vec![take("a", 1000, DAY, 500)]).await.unwrap();

    let taken = rates.take(vec![take("a", 10, DAY, 4)]).await.unwrap();
    let refused = rates.take(vec![take("a", 1001, DAY, 200)]).await.unwrap();

    assert_eq!(
        remaining(&taken),
        [1],
        "half a day is owed, and four tenths"
    );
    assert!(matches!(refused, Taken::Short { .. }), "{refused:?}");
}

#[tokio::test]
async fn prefixes_are_apart() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (a, b) = (rates(&server).prefix("a"), rates(&server).prefix("b"));

    for rates in [a, b] {
        let taken = rates.take(vec![take("a", 1, DAY, 1)]).await.unwrap();
        assert_eq!(remaining(&taken), [0]);
    }
    let keys = server.command(&["KEYS", "[ab]:{*}:*"]);
    assert_eq!(keys.lines().count(), 2, "{keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_never_take_more_than_the_limit() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    hammer(&server, |rates| rates, Duration::from_millis(500), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_with_leases_never_take_more_than_the_limit() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    hammer(&server, RedisRates::leased, Duration::from_secs(5), 20_000).await;
    eprintln!("the server was asked {} times", calls(&server));
}

#[tokio::test]
async fn a_lease_is_over_with_its_time() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = rates(&server).leased();
    let window = Duration::from_secs(100);
    let one = || vec![take("a", 1_000_000, window, 1)];
    // What is used in half a lease's life is taken ahead in the next.
    let end = Instant::now() + Duration::from_secs(20);
    let mut before = calls(&server);
    loop {
        assert!(Instant::now() < end, "nothing is taken ahead");
        for _ in 0..300 {
            rates.take(one()).await.unwrap();
        }
        let after = calls(&server);
        if after < before + 100 {
            break;
        }
        before = after;
    }

    tokio::time::sleep(window / 100).await;
    let before = calls(&server);
    rates.take(one()).await.unwrap();

    assert!(calls(&server) > before, "the server is asked again");
}

/// Takes as fast as it can for two windows, as four processes with eight callers each, and checks every window.
async fn hammer(
    server: &Server,
    kind: impl Fn(RedisRates) -> RedisRates,
    window: Duration,
    limit: u64,
) {
    let burst = limit / 4;
    let start = Instant::now();
    let callers = (0..4).flat_map(|_| {
        let rates = Arc::new(kind(rates(server)));
        (0..8).map(move |_| Arc::clone(&rates))
    });
    let callers = callers.map(|rates| {
        tokio::spawn(async move {
            let mut admitted = Vec::new();
            let mut decisions = 0;
            while start.elapsed() < 2 * window {
                let asked = Instant::now();
                let mut wanted = take("a", limit, window, 1);
                wanted.rate.burst = burst;
                decisions += 1;
                if let Taken::All(_) = rates.take(vec![wanted]).await.unwrap() {
                    admitted.push((asked, Instant::now()));
                } else {
                    tokio::task::yield_now().await;
                }
            }
            (admitted, decisions)
        })
    });
    let (mut admitted, mut decisions) = (Vec::new(), 0);
    for caller in callers.collect::<Vec<_>>() {
        let (of, among) = caller.await.unwrap();
        admitted.extend(of);
        decisions += among;
    }
    let took = start.elapsed();
    admitted.sort();

    for (i, (start, _)) in admitted.iter().enumerate().step_by(7) {
        let in_window = admitted[i..]
            .iter()
            .take_while(|(asked, _)| *asked <= *start + window);
        let within = in_window.filter(|(_, end)| *end <= *start + window).count() as u64;
        assert!(within <= burst + limit, "{within} in a window");
    }
    let most = burst as f64 + limit as f64 * took.as_secs_f64() / window.as_secs_f64();
    let admitted = admitted.len() as f64;
    eprintln!("{admitted} of {decisions} were admitted; {most:.0} is the limit, in {took:?}");
    assert!(
        admitted <= most + limit as f64 / 100.0,
        "{admitted} of {most}"
    );
}

async fn left_or_none(rates: &RedisRates) -> Option<u64> {
    match rates.take(vec![take("a", 100, DAY, 0)]).await.unwrap() {
        Taken::All(left) => Some(left[0].remaining),
        Taken::Short { .. } => None,
    }
}

fn correct(rates: &RedisRates, account: &str, more: i64) {
    let Take { account, rate, .. } = take(account, 100, DAY, 0);
    rates.correct(vec![Correction {
        account,
        rate,
        more,
    }]);
}

fn calls(server: &Server) -> u64 {
    let stats = server.command(&["INFO", "commandstats"]);
    let line = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    let calls = line.and_then(|line| line.split([':', ',']).nth(1));
    let calls = calls.and_then(|calls| calls.strip_prefix("calls="));
    calls.map_or(0, |calls| calls.parse().unwrap())
}

fn take(account: &str, limit: u64, window: Duration, cost: u64) -> Take {
    Take {
        account: RateAccount {
            tenant: "acme".into(),
            limit: "requests".into(),
            account: account.into(),
        },
        rate: Rate {
            limit,
            window,
            burst: limit,
        },
        cost,
    }
}

fn remaining(taken: &Taken) -> Vec<u64> {
    match taken {
        Taken::All(left) => left
            .iter()
            .map(|Remaining { remaining, .. }| *remaining)
            .collect(),
        short @ Taken::Short { .. } => panic!("{short:?}"),
    }
}

fn rates(server: &Server) -> RedisRates {
    let redis = Redis::open(&server.url())
        .unwrap()
        .deadline(Duration::from_secs(10));
    RedisRates::new(redis)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
