use std::time::Duration;

use crate::Case;

/// One measurement of one target, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Of CPU, for a request or for an event of a stream.
    cpu: f64,
    /// How many percent of a core were busy.
    busy: f64,
    /// Until the answer was there, or the first event of a stream.
    p50: f64,
    p99: f64,
}

impl Sample {
    /// Nothing, if nothing was answered.
    pub(crate) fn new(
        spent: Duration,
        during: Duration,
        mut waits: Vec<Duration>,
        units: u32,
    ) -> Option<Self> {
        waits.sort_unstable();
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        Some(Self {
            cpu: micros(spent) / (waits.len() as f64 * f64::from(units)),
            busy: 100.0 * spent.as_secs_f64() / during.as_secs_f64(),
            p50: micros(*waits.get(waits.len() / 2)?),
            p99: micros(*waits.get(waits.len() * 99 / 100)?),
        })
    }
}

/// The line of one case, from what the bare proxy and the gateway took in each repetition.
pub(crate) fn row(case: Case, pairs: &[[Sample; 2]], peaks: [f64; 2]) -> String {
    let spread = |figure: &dyn Fn(&[Sample; 2]) -> f64| {
        let mut figures: Vec<f64> = pairs.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        (
            figures[figures.len() / 2],
            figures[0],
            figures[figures.len() - 1],
        )
    };
    let mut row = format!("| {} |", case.name);
    if case.counts_cpu() {
        for target in 0..2 {
            let (cpu, busy) = (
                spread(&|pair| pair[target].cpu).0,
                spread(&|pair| pair[target].busy).0,
            );
            row += &format!(" {cpu:.1} ({busy:.0} %) |");
        }
        let (ratio, lowest, highest) = spread(&|[bare, gateway]| gateway.cpu / bare.cpu);
        row += &format!(" {ratio:.2} ({lowest:.2}-{highest:.2}) |");
    } else {
        row += " | | |";
    }
    if case.counts_latency() {
        let (p50, ..) = spread(&|[bare, gateway]| gateway.p50 - bare.p50);
        let (p99, ..) = spread(&|[bare, gateway]| gateway.p99 - bare.p99);
        row += &format!(" {p50:+.0} / {p99:+.0} |");
    } else {
        row += " |";
    }
    let [bare, gateway] = peaks;
    row + &format!(" {bare:.1} / {gateway:.1} |")
}

pub(crate) const HEAD: &str = "\
| case | bare µs (core) | gateway µs (core) | ratio (lowest-highest) | added p50 / p99 µs | peak RSS MiB |
|---|---|---|---|---|---|";

pub(crate) const FOOT: &str = "
µs: CPU time of the target's process for a request; in `burst`, for an event. Core: the part of a core that it used.
Ratio: gateway to bare, within a repetition. Added: until the answer is complete; in `paced`, until its first event.
All are medians over the repetitions.";
