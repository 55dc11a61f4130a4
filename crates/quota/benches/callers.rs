//! What a million callers cost, who all come at once: each has a rate, a limit of requests in flight and a hard budget.
//!
//! `cargo bench -p tollgate-quota --bench callers`. The bank on the other side keeps nothing, so that it is not counted.

use std::{convert::Infallible, fs, time::Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Duration, sleep};
use tollgate_core::{
    Trail,
    fact::{Cost, Dispatch, Period, Principal, Scope, Usage},
};
use tollgate_quota::{
    Bank, Budget, Ledger, Quota, QuotaLayer, Rule,
    bank::{Answer, Answering, Authority, Message, Order, Window},
};
use tower::{Layer, ServiceExt, service_fn};

fn main() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("there is a clock");
    let layer = QuotaLayer::new(Quota::per_day(1_000))
        .and_concurrency(8)
        .rule(Rule::budget(Budget::hard(Cost::from_nanos(1 << 40), Period::Month)).of(Scope::Key))
        .ledger(Ledger::new(Bank::new(Generous)).patience(Duration::from_secs(5)))
        .worst(|_, output| Ok((Cost::from_nanos(1_000), output.unwrap_or(100).min(100))));
    let resident = resident("VmRSS");

    let allocated = allocation_counter::measure(|| {
        let begun = Instant::now();
        let burst = allocation_counter::measure(|| runtime.block_on(burst(&layer)));
        let each = begun.elapsed().as_nanos() / CALLERS as u128;
        tell("in the burst", burst.bytes_max.cast_signed());
        tell("after it", burst.bytes_current);
        println!("{each} ns a caller; {} of them have a rate", layer.keys());
        runtime.block_on(async { sleep(Duration::from_secs(10)).await });
    });
    tell("at rest", allocated.bytes_current);
    tell("resident at most", self::resident("VmHWM") - resident);
}

/// Each of them calls once.
async fn burst(layer: &QuotaLayer) {
    let service = layer.layer(service_fn(|mut request: Request<Full<Bytes>>| {
        let trail = Trail::in_extensions(request.extensions_mut());
        trail.set(Dispatch::Yes);
        trail.set(Usage::default());
        trail.set(Cost::from_nanos(400));
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) }
    }));
    for caller in 0..CALLERS {
        let mut request = Request::new(Full::new(Bytes::new()));
        let key = format!("key-{caller:07}");
        request.extensions_mut().insert(Principal::new(key));
        let Ok(response) = service.clone().oneshot(request).await;
        assert!(response.status().is_success(), "{caller}: {response:?}");
    }
}

fn tell(what: &str, bytes: i64) {
    let mib = bytes as f64 / f64::from(1 << 20);
    println!(
        "{what}: {mib:.0} MiB, {} bytes a caller",
        bytes / CALLERS as i64
    );
}

/// In bytes; nothing where the system does not say.
fn resident(line: &str) -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status
        .lines()
        .find_map(|it| it.strip_prefix(line)?.split_whitespace().nth(1));
    found.and_then(|kib| kib.parse::<i64>().ok()).unwrap_or(0) * 1024
}

/// Grants everything, and keeps nothing.
#[derive(Debug)]
struct Generous;

impl Authority for Generous {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let window = Window {
            number: 1,
            starts_at: 0,
            ends_at: 1 << 40,
            now: 0,
        };
        let answer = match message.ask {
            Order::Grant { wish, .. } => Answer::Granted {
                window,
                amount: wish,
                left: 1 << 39,
                scarce: false,
            },
            _ => Answer::Booked { left: 1 << 39 },
        };
        Box::pin(async { Ok(answer) })
    }
}

const CALLERS: usize = 1_000_000;
