//! What a budget costs: to hold and to settle, over four accounts, with the lease at hand.

use std::hint::black_box;

use divan::Bencher;
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{Budget, Claim, Ledger, Settlement};

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 4])]
fn hold_and_settle(bencher: Bencher, scopes: usize) {
    let (runtime, ledger, budget) = bench();
    let claims = claims(&budget);
    runtime.block_on(async {
        for _ in 0..8 {
            drop(
                ledger
                    .hold_soon(&claims, Cost::from_nanos(1_000_000_000))
                    .await
                    .expect("it fits"),
            );
        }
    });
    let _guard = runtime.enter();

    bencher.bench_local(|| {
        let hold = ledger
            .hold(&claims[..scopes], Cost::from_nanos(1_000))
            .expect("it fits");
        black_box(hold.settle(Settlement::Known(Cost::from_nanos(0))));
    });
}

#[divan::bench]
fn refused(bencher: Bencher) {
    let (runtime, ledger, _) = bench();
    let budget = Budget::hard(Cost::from_nanos(10), Period::Total);
    let claims = claims(&budget);
    let _guard = runtime.enter();

    bencher.bench_local(|| black_box(ledger.hold(&claims, Cost::from_nanos(1_000)).is_err()));
}

fn bench() -> (tokio::runtime::Runtime, Ledger, Budget) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build();
    let budget = Budget::hard(Cost::from_nanos(i64::MAX), Period::Total);
    (
        runtime.expect("there are threads"),
        Ledger::volatile(),
        budget,
    )
}

fn claims(budget: &Budget) -> [Claim<'_>; 4] {
    [
        ("org", "acme"),
        ("team", "search"),
        ("user", "alice"),
        ("key", "key-1"),
    ]
    .map(|(scope, account)| Claim {
        scope,
        account,
        name: "total",
        budget,
    })
}
