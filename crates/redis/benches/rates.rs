//! What a decision costs: asked of a server on this machine, one caller after the other, and by a lease.

#[path = "../tests/support/server.rs"]
mod server;

use std::time::Duration;

use divan::Bencher;
use tollgate_quota::{Rate, RateAccount, RateStore, Take};
use tollgate_redis::{Redis, RedisRates};

use self::server::Server;

fn main() {
    divan::main();
}

#[divan::bench]
fn asked(bencher: Bencher) {
    run(bencher, |rates| rates);
}

#[divan::bench]
fn leased(bencher: Bencher) {
    run(bencher, RedisRates::leased);
}

fn run(bencher: Bencher, kind: fn(RedisRates) -> RedisRates) {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let redis = Redis::open(&server.url()).expect("it is a URL");
    let rates = kind(RedisRates::new(redis.deadline(Duration::from_secs(10))));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let take = Take {
        account: RateAccount {
            tenant: "acme".into(),
            limit: "requests".into(),
            account: "key-1".into(),
        },
        rate: Rate {
            limit: 1_000_000_000,
            window: Duration::from_secs(60),
            burst: 1_000_000_000,
        },
        cost: 1,
    };
    bencher.bench_local(|| {
        let taken = runtime.block_on(rates.take(vec![take.clone()]));
        taken.expect("the server is there")
    });
}
