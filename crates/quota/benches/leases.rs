//! What a bank that is far away adds to a call: callers hold and settle for some seconds, at a steady rate, while each answer of
//! the bank takes two milliseconds. Leases are asked for ahead, so that nobody should have to wait for one.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Bank, Budget, Claim, Ledger, Settlement,
    bank::{Answer, Answering, Authority, MemoryAuthority, Message, Order},
};

/// A bank behind a network.
#[derive(Debug)]
struct Remote(MemoryAuthority);

impl Authority for Remote {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let answer = self.0.ask(message);
        Box::pin(async move {
            sleep(Duration::from_millis(2)).await;
            answer.await
        })
    }
}

#[tokio::main]
async fn main() {
    for (name, bank) in [
        ("bank in memory", Bank::new(MemoryAuthority::new())),
        ("bank 2 ms away", Bank::new(Remote(MemoryAuthority::new()))),
    ] {
        let ledger = Ledger::new(bank);
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(call(ledger.clone()));
        }
        let (mut took, mut refused) = (Vec::new(), 0);
        while let Some(Ok((times, short))) = callers.join_next().await {
            took.extend(times);
            refused += short;
        }
        took.sort_unstable();
        let at = |share: usize| took[(took.len() * share / 1000).min(took.len() - 1)];
        println!(
            "{name}: {} calls, {refused} refused; hold and settle p50 {:?}, p99 {:?}, p99.9 {:?}",
            took.len(),
            at(500),
            at(990),
            at(999),
        );
    }
}

/// A thousand calls a second in all, each of which holds ten times what it uses, for ten milliseconds.
async fn call(ledger: Ledger) -> (Vec<Duration>, usize) {
    let budget = Budget::hard(Cost::from_nanos(1 << 60), Period::Total);
    let claims = [("org", "acme"), ("key", "key-1")].map(|(scope, account)| Claim {
        scope,
        account,
        name: "total",
        budget: &budget,
    });
    let (mut took, mut refused) = (Vec::new(), 0);
    let mut next = Instant::now();
    for number in 0..CALLS {
        next += Duration::from_millis(CALLERS);
        sleep_until(next).await;
        let started = std::time::Instant::now();
        let held = ledger.hold_soon(&claims, Cost::from_nanos(1_000_000)).await;
        let waited = started.elapsed();
        sleep(Duration::from_millis(10)).await;
        let started = std::time::Instant::now();
        match held {
            Ok(hold) => drop(hold.settle(Settlement::Known(Cost::from_nanos(100_000)))),
            Err(_) => refused += 1,
        }
        // The first ones find no lease yet.
        if number >= WARM {
            took.push(waited + started.elapsed());
        }
    }
    (took, refused)
}

const CALLERS: u64 = 20;
const CALLS: usize = 300;
const WARM: usize = 20;
