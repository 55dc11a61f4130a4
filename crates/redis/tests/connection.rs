//! A server that is away, comes back, hangs, is a cluster, or speaks TLS.

#[path = "support/server.rs"]
mod server;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use tollgate_quota::{Rate, RateAccount, RateStore, Take, Taken, bank::BankError};
use tollgate_redis::{Redis, RedisRates};

use self::server::{Server, free_port, url};

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_found_when_it_comes() {
    let port = free_port();
    let rates = RedisRates::new(Redis::open(&url(port)).unwrap());

    let away = one(&rates, "a").await.unwrap_err();
    assert!(
        told(&away).contains("there is no connection"),
        "{}",
        told(&away)
    );
    let Some(_server) = Server::start_at(port, &[]) else {
        return;
    };

    comes_back(&rates).await;
}

#[tokio::test]
async fn a_restart_is_noticed_and_got_over() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let rates = RedisRates::new(Redis::open(&server.url()).unwrap());
    comes_back(&rates).await;

    server.kill();
    let away = one(&rates, "a").await;
    let still = one(&rates, "a").await;
    server.restart();

    assert!(away.is_err() && still.is_err());
    comes_back(&rates).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for_until_the_deadline_and_used_again() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = RedisRates::new(Redis::open(&server.url()).unwrap());
    comes_back(&rates).await;

    server.pause();
    let before = Instant::now();
    let mut hung = Vec::new();
    for _ in 0..20 {
        hung.push(one(&rates, "a").await);
    }
    let took = before.elapsed();
    server.resume();

    assert!(hung.iter().all(Result::is_err));
    assert!(told(hung[0].as_ref().unwrap_err()).contains("within 50ms"));
    // Twenty deadlines, and as much again for a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
    comes_back(&rates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_nobody_waited_for_is_nobody_elses() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rates = RedisRates::new(Redis::open(&server.url()).unwrap().deadline(PATIENCE));

    let asked = (1..400_u64).map(|limit| {
        let rates = rates.clone();
        tokio::spawn(async move {
            let account = limit.to_string();
            // Left in the middle, at another moment each.
            let leaves = tokio::time::timeout(
                Duration::from_micros(limit % 50 * 20),
                take(&rates, &account, limit),
            );
            let left = leaves.await.is_err();
            let Taken::All(remaining) = take(&rates, &account, limit).await.unwrap() else {
                return left && limit == 1;
            };
            let remaining = remaining[0].remaining;
            remaining == limit - 1 || remaining + 2 == limit
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert!(asked.await.unwrap());
    }
}

#[tokio::test]
async fn a_password_is_never_told() {
    const CANARY: &str = "kanarienvogel";
    let Some(server) = Server::start(&["--requirepass", "another"]) else {
        return;
    };
    let urls = [
        format!("redis://user:{CANARY}@127.0.0.1:{}/0", server.port()),
        format!("redis://:{CANARY}@127.0.0.1:1/0"),
        format!("redis://:{CANARY}@0.0.0.0"),
        format!("redis://:{CANARY}@[nonsense"),
        format!("http://:{CANARY}@example.org"),
        format!("redis://:{CANARY}@host/database"),
    ];

    for url in urls {
        match Redis::open(&SecretString::from(url)) {
            Ok(redis) => {
                let rates = RedisRates::new(redis.deadline(PATIENCE));
                let error = one(&rates, "a").await.unwrap_err();
                let all = format!("{rates:?} {error:?} {}", told(&error));
                assert!(!all.contains(CANARY), "{all}");
            }
            Err(error) => {
                let all = format!("{error:?} {}", told(&error));
                assert!(!all.contains(CANARY), "{all}");
            }
        }
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_needs_a_certificate_that_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = file("certificate.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let port = free_port();
    let Some(_server) = Server::start_at(
        port,
        &[
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-auth-clients",
            "no",
        ],
    ) else {
        return;
    };
    let url = SecretString::from(format!("rediss://localhost:{port}"));
    let redis = Redis::open(&url).unwrap().deadline(PATIENCE);

    let untrusted = one(&RedisRates::new(redis.clone()), "a").await;
    let trusted = RedisRates::new(redis.ca(made.cert.pem()).unwrap());

    assert!(untrusted.is_err());
    comes_back(&trusted).await;
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_cluster_decides_for_several_tenants_and_undoes_what_was_refused_later() {
    let Some(cluster) = cluster() else {
        return;
    };
    let urls: Vec<_> = cluster.iter().map(Server::url).collect();
    let rates = RedisRates::new(Redis::cluster(&urls).unwrap().deadline(PATIENCE));
    let all = |cost| -> Vec<_> {
        let tenants = (0..8).map(|tenant| wanted(&tenant.to_string(), "a", 5, cost));
        tenants.chain([wanted("last", "a", 5, 3)]).collect()
    };

    let taken = rates.take(all(1)).await.unwrap();
    let refused = rates.take(all(1)).await.unwrap();

    assert!(
        matches!(&taken, Taken::All(left) if left[0].remaining == 4 && left[8].remaining == 2),
        "{taken:?}"
    );
    assert!(
        matches!(
            refused,
            Taken::Short {
                index: 8,
                remaining: 2,
                ..
            }
        ),
        "{refused:?}"
    );
    let end = Instant::now() + PATIENCE;
    for tenant in 0..8 {
        let left = async || {
            rates
                .take(vec![wanted(&tenant.to_string(), "a", 5, 0)])
                .await
                .unwrap()
        };
        while !matches!(left().await, Taken::All(left) if left[0].remaining == 4) {
            assert!(Instant::now() < end, "it is not undone");
        }
    }
    let used = cluster
        .iter()
        .filter(|server| server.command(&["DBSIZE"]) != "0");
    assert!(used.count() > 1, "tenants are spread");
}

/// Three primaries.
#[cfg(feature = "cluster")]
fn cluster() -> Option<Vec<Server>> {
    let node = |_| {
        let bus = free_port().to_string();
        Server::start(&["--cluster-enabled", "yes", "--cluster-port", &bus])
    };
    let nodes: Vec<_> = (0..3).map(node).collect::<Option<_>>()?;
    let made = std::process::Command::new("redis-cli")
        .args(["--cluster", "create", "--cluster-yes"])
        .args(
            nodes
                .iter()
                .map(|node| format!("127.0.0.1:{}", node.port())),
        )
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stdout)
    );
    for node in &nodes {
        server::until(|| {
            node.command(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok")
        });
    }
    Some(nodes)
}

/// By itself, with no more than a few refusals on the way.
async fn comes_back(rates: &RedisRates) {
    let end = Instant::now() + PATIENCE;
    while one(rates, "b").await.is_err() {
        assert!(Instant::now() < end, "it does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn one(rates: &RedisRates, account: &str) -> Result<Taken, BankError> {
    take(rates, account, 1_000_000).await
}

async fn take(rates: &RedisRates, account: &str, limit: u64) -> Result<Taken, BankError> {
    rates.take(vec![wanted("acme", account, limit, 1)]).await
}

fn wanted(tenant: &str, account: &str, limit: u64, cost: u64) -> Take {
    Take {
        account: RateAccount {
            tenant: tenant.into(),
            limit: "requests".into(),
            account: account.into(),
        },
        rate: Rate {
            limit,
            window: Duration::from_secs(24 * 60 * 60),
            burst: limit,
        },
        cost,
    }
}

fn told(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
