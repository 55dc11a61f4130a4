//! What the gateway costs beside the plainest reverse proxy, as processes under the same load:
//! `cargo bench -p tollgate-gateway --bench proxy -- --cases plain-2k,hit`.

#[path = "proxy/bare.rs"]
mod bare;
#[path = "proxy/load.rs"]
mod load;
#[path = "proxy/mock.rs"]
mod mock;
#[path = "proxy/program.rs"]
mod program;
#[path = "proxy/report.rs"]
mod report;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use self::{
    load::{Ask, Load},
    program::{Pins, Program, foreign},
    report::Sample,
};

/// Compares the gateway with a bare hyper proxy.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    secs: f64,
    /// How often each case is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    reps: u32,
    /// Which cases, by name; by default, all.
    #[arg(long, value_delimiter = ',', value_parser = Case::named)]
    cases: Vec<Case>,
    /// Only sends so many requests through a gateway without a cache, and shows its memory.
    #[arg(long, value_name = "REQUESTS")]
    soak: Option<u64>,
    /// Comes from `cargo bench`; without it, from `cargo test --benches`, nothing is done.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true)]
    test: bool,
}

/// What this binary is when it starts itself.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    Mock,
    #[command(hide = true)]
    Bare { upstream: SocketAddr },
}

/// A load, and how many connections bring it.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    connections: u32,
    ask: Ask,
}

impl Case {
    fn named(name: &str) -> Result<Self, String> {
        let names = CASES.map(|case| case.name).join(", ");
        let case = CASES.into_iter().find(|case| case.name == name);
        case.ok_or_else(|| format!("the cases are {names}"))
    }

    /// CPU time comes in ticks of 10 ms: a load that leaves the target idle is not measured by it.
    const fn counts_cpu(self) -> bool {
        !matches!(self.ask, Ask::Paced)
    }

    /// Where the target is saturated, latency only says how many connections there are.
    const fn counts_latency(self) -> bool {
        self.connections == 1 || matches!(self.ask, Ask::Paced)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Mock) => return mock::run().await,
        Some(Role::Bare { upstream }) => return bare::run(upstream).await,
        None if !arguments.bench || arguments.test => return Ok(()),
        None => {}
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Ends by returning, so that the other processes are dropped, and with that killed.
    tokio::select! {
        done = run(arguments) => done,
        _ = terminate.recv() => Err("terminated".into()),
        _ = interrupt.recv() => Err("interrupted".into()),
    }
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let pins = Pins::on_this_process();
    let mock = Program::mock(pins)?;
    if let Some(requests) = arguments.soak {
        return soak(&mock, pins, requests).await;
    }
    let cases = match &*arguments.cases {
        [] => &CASES,
        some => some,
    };
    println!(
        "{}; {} × {} s\n",
        pins.words(),
        arguments.reps,
        arguments.secs
    );
    println!("{}", report::HEAD);
    let (start, before) = (Instant::now(), foreign(&mock)?);
    let mut failures = 0;
    for &case in cases {
        match compare(&mock, pins, case, &arguments).await {
            Ok(row) => println!("{row}"),
            Err(error) => {
                failures += 1;
                println!("| {} | failed: {error} |", case.name);
            }
        }
    }
    let foreign =
        foreign(&mock)?.saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64();
    println!(
        "{}\nOther programs took {foreign:.2} of a core: measure again unless it is near 0.",
        report::FOOT
    );
    match failures {
        0 => Ok(()),
        failures => Err(format!("cases that failed: {failures}").into()),
    }
}

/// Measures one case: both targets by turns, so that a slow moment of the machine hits both.
async fn compare(
    mock: &Program,
    pins: Pins,
    case: Case,
    arguments: &Arguments,
) -> Result<String, Error> {
    let bare = Program::bare(pins, mock.address)?;
    let gateway = Program::gateway(pins, mock.address, CACHE)?;
    let during = Duration::from_secs_f64(arguments.secs);
    let mut pairs = Vec::new();
    for repetition in 0..arguments.reps {
        pairs.push(if repetition % 2 == 0 {
            let first = measure(&bare, case, during).await?;
            [first, measure(&gateway, case, during).await?]
        } else {
            let first = measure(&gateway, case, during).await?;
            [measure(&bare, case, during).await?, first]
        });
    }
    let [[_, bare], [_, gateway]] = [bare.memory()?, gateway.memory()?];
    Ok(report::row(case, &pairs, [bare, gateway]))
}

async fn measure(target: &Program, case: Case, during: Duration) -> Result<Sample, Error> {
    let load = Load::start(target.address, case.ask, case.connections, u64::MAX);
    sleep(WARM_UP).await;
    load.take();
    let before = target.cpu()?;
    sleep(during).await;
    let spent = target.cpu()? - before;
    let waits = load.take();
    load.stop().await?;
    Sample::new(spent, during, waits, case.ask.units()).ok_or_else(|| "no answer in time".into())
}

async fn soak(mock: &Program, pins: Pins, requests: u64) -> Result<(), Error> {
    let gateway = Program::gateway(pins, mock.address, "")?;
    println!(
        "{}\n\n| requests | RSS MiB | peak MiB |\n|---|---|---|",
        pins.words()
    );
    for tenth in 1..=10 {
        let count = requests * tenth / 10 - requests * (tenth - 1) / 10;
        let load = Load::start(gateway.address, CASES[0].ask, CASES[0].connections, count);
        load.join(Duration::from_secs(10) + Duration::from_millis(count))
            .await?;
        let [now, peak] = gateway.memory()?;
        println!("| {} | {now:.1} | {peak:.1} |", requests * tenth / 10);
    }
    Ok(())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let sane = seconds.filter(|seconds| (0.1..=600.0).contains(seconds));
    sane.ok_or_else(|| "between 0.1 and 600".into())
}

type Error = Box<dyn std::error::Error + Send + Sync>;

const CACHE: &str = "[cache]\nmax_bytes = \"16MiB\"\n";
const WARM_UP: Duration = Duration::from_millis(500);

#[rustfmt::skip] // a table
const CASES: [Case; 6] = [
    Case { name: "plain-2k", connections: 32, ask: Ask::Plain(2 << 10) },
    Case { name: "plain-32k", connections: 32, ask: Ask::Plain(32 << 10) },
    Case { name: "hit", connections: 32, ask: Ask::Same },
    Case { name: "burst", connections: 4, ask: Ask::Burst },
    Case { name: "paced", connections: 8, ask: Ask::Paced },
    Case { name: "one", connections: 1, ask: Ask::Plain(2 << 10) },
];
