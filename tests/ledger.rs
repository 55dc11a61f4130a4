//! The gateway's books against the provider's bill: calls at random, with whatever can go wrong on the way.
//!
//! `TOLLGATE_LEDGER_CALLS` sets how many there are, and `TOLLGATE_LEDGER_SEED` which.

#[path = "ledger/call.rs"]
mod call;
#[path = "ledger/random.rs"]
mod random;

use std::{
    collections::HashMap,
    env,
    io::Write,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::NamedTempFile;
use tollgate_llm::simulated::{Entry, Prices, Simulated};
use tollgate_tests::{Gateway, Provider, eventually, soon};

use crate::{call::Call, random::Random};

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_books_agree_with_the_providers_bill() {
    let calls = number("TOLLGATE_LEDGER_CALLS").unwrap_or(1000) as usize;
    let now = UNIX_EPOCH.elapsed().map_or(0, |it| it.as_millis() as u64);
    let seed = number("TOLLGATE_LEDGER_SEED").unwrap_or(now);
    println!("TOLLGATE_LEDGER_SEED={seed} TOLLGATE_LEDGER_CALLS={calls}");
    let mut random = Random(seed);
    let all: Vec<Call> = (0..calls)
        .map(|number| Call::random(number, &mut random))
        .collect();
    let provider = Provider::start(Simulated::new().key("sk-simulated").pace(PACE));
    let prices = prices(&all);
    let gateway = Gateway::start(Some(&config(&provider, prices.path()))).await;

    let mut books = Books::default();
    // In parts, since the provider remembers the last ten thousand requests only.
    let mut made = 0;
    for part in all.chunks(PART) {
        let streamed = stream::iter(part).map(|call| make(&gateway, call));
        let streamed: Vec<u64> = streamed.buffered(AT_ONCE).collect().await;
        made += part.len();
        let bill = settled(&provider).await;
        let records = gateway.records(made).await;
        let records: HashMap<&str, &Value> = records
            .iter()
            .filter_map(|record| Some((record["call"]["model"].as_str()?, record)))
            .collect();
        for (call, streamed) in part.iter().zip(streamed) {
            let record = records.get(&*call.model);
            books.check(
                call,
                streamed,
                record.expect("each call has a record"),
                &bill,
            );
        }
    }

    println!("{books:?}");
    assert!(
        books.wrong.is_empty(),
        "TOLLGATE_LEDGER_SEED={seed}: {} of {calls} calls:\n{}",
        books.wrong.len(),
        books.wrong[..books.wrong.len().min(20)].join("\n")
    );
    // Else the test says nothing.
    assert!(books.exact * 3 > calls && books.estimated * 20 > calls && books.retried * 50 > calls);
}

/// Makes a call, and says how many of the model's words came with it.
async fn make(gateway: &Gateway, call: &Call) -> u64 {
    let response = gateway.open(call.request(gateway, KEY)).await;
    let mut body = response.into_body();
    let (mut read, mut pieces) = (Vec::new(), 0);
    let what = format!("a piece of the answer to {call:?}");
    while let Some(Ok(frame)) = soon(&what, body.frame()).await {
        read.extend(frame.into_data().unwrap_or_default());
        pieces += 1;
        if call.leaves_after.is_some_and(|most| pieces >= most) {
            break;
        }
    }
    let read = String::from_utf8_lossy(&read);
    let events = read.lines().filter_map(|line| line.strip_prefix("data:"));
    let texts = events
        .filter_map(|event| serde_json::from_str(event.trim()).ok())
        .map(|event| call.text(&event));
    texts.collect::<String>().split_inclusive(' ').count() as u64
}

/// The provider's bill by the names of models, once every account is closed.
async fn settled(provider: &Provider) -> HashMap<String, Entry> {
    eventually("the end of all answers", async || {
        let bill = provider.simulated().bill().requests;
        let open = bill.iter().any(|entry| entry.open);
        (!open).then(|| {
            let entries = bill.into_iter();
            entries.map(|entry| (entry.model.clone(), entry)).collect()
        })
    })
    .await
}

/// What was found.
#[derive(Debug, Default)]
struct Books {
    exact: usize,
    estimated: usize,
    refused: usize,
    unsent: usize,
    retried: usize,
    wrong: Vec<String>,
}

impl Books {
    fn check(&mut self, call: &Call, streamed: u64, record: &Value, bill: &HashMap<String, Entry>) {
        let none = Vec::new();
        let attempts = record["attempts"].as_array().unwrap_or(&none);
        self.retried += usize::from(attempts.len() > 1);
        for (index, attempt) in attempts.iter().enumerate() {
            let entry = bill.get(attempt["model"].as_str().unwrap_or_default());
            let last = index + 1 == attempts.len();
            let complete = record["outcome"] == "completed" && !call.hides_usage();
            let found = match entry {
                None => self.unsent(attempt),
                Some(entry) if entry.status != 200 => self.refused(attempt, entry),
                Some(entry) if last && complete && entry.complete => self.exact(attempt, entry),
                Some(entry) => self.estimated(attempt, entry, if last { streamed } else { 0 }),
            };
            if let Err(why) = found {
                let what = format!("{why}\n  {call:?}\n  {record}\n  {entry:?}");
                self.wrong.push(what);
            }
        }
        if let Err(why) = sums(record, attempts) {
            self.wrong.push(format!("{why}\n  {record}"));
        }
    }

    /// The provider has never heard of it.
    fn unsent(&mut self, attempt: &Value) -> Result<(), &'static str> {
        self.unsent += 1;
        let nothing = attempt["usage"].is_null() || total(&attempt["usage"]) == 0;
        nothing
            .then_some(())
            .ok_or("something was used that the provider knows nothing of")
    }

    /// The provider said no, and bills nothing.
    fn refused(&mut self, attempt: &Value, entry: &Entry) -> Result<(), &'static str> {
        self.refused += 1;
        let zero = entry.nano_dollars == 0 && total(&attempt["usage"]) == 0;
        zero.then_some(()).ok_or("a refusal cost something")
    }

    /// The answer was whole: token for token.
    fn exact(&mut self, attempt: &Value, entry: &Entry) -> Result<(), &'static str> {
        self.exact += 1;
        if attempt["usage"]["estimated"] != false {
            return Err("the usage of a whole answer is an estimate");
        }
        equal(attempt, entry)
    }

    /// The answer was cut, or does not say what was used.
    fn estimated(
        &mut self,
        attempt: &Value,
        entry: &Entry,
        streamed: u64,
    ) -> Result<(), &'static str> {
        self.estimated += 1;
        let usage = &attempt["usage"];
        if usage["estimated"] == false {
            // The provider has said it before the answer broke off.
            return equal(attempt, entry);
        }
        if usage["output"].as_u64().unwrap_or(0) < streamed {
            return Err("the estimate is below what was streamed");
        }
        Ok(())
    }
}

fn equal(attempt: &Value, entry: &Entry) -> Result<(), &'static str> {
    let tokens = entry.tokens;
    let said = [
        "input",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "output",
        "reasoning",
    ]
    .map(|field| attempt["usage"][field].as_u64().unwrap_or(0));
    let billed = [
        tokens.input + tokens.embedding,
        tokens.cached,
        tokens.cache_write,
        tokens.cache_write_1h,
        tokens.output,
        tokens.reasoning,
    ];
    if said != billed {
        return Err("the tokens are not those that were billed");
    }
    let cost = price().cost(&tokens);
    if attempt["cost_nanos"].as_u64().map(u128::from) != Some(cost) {
        return Err("the cost is not what was billed");
    }
    Ok(())
}

/// The record's usage and cost are those of its attempts together.
fn sums(record: &Value, attempts: &[Value]) -> Result<(), &'static str> {
    let usage: u64 = attempts
        .iter()
        .map(|attempt| total(&attempt["usage"]))
        .sum();
    let costs = attempts
        .iter()
        .filter_map(|attempt| attempt["cost_nanos"].as_u64());
    let cost = record["cost_nanos"].as_u64().unwrap_or(0);
    if usage != total(&record["usage"]) || costs.sum::<u64>() != cost {
        return Err("a record is not the sum of its attempts");
    }
    Ok(())
}

fn total(usage: &Value) -> u64 {
    let fields = [
        "input",
        "cache_read",
        "cache_write",
        "cache_write_1h",
        "output",
    ];
    fields
        .iter()
        .filter_map(|field| usage[field].as_u64())
        .sum()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// What a million tokens cost, in billionths of a dollar.
fn price() -> Prices {
    let mut price = Prices::default();
    price.input = 1_500_000_000;
    price.output = 7_700_000_000;
    price.embedding = price.input;
    price
}

/// The same prices as the gateway reads them, for every model that is called.
fn prices(calls: &[Call]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a file");
    for call in calls {
        let name = call
            .model
            .splitn(3, '-')
            .nth(2)
            .expect("a name has three parts");
        for name in [
            name,
            &format!("{name}-error-503"),
            &format!("{name}-cut-at-start"),
        ] {
            let provider = format!("behind-{}", call.behind);
            let listed = format!(
                "[[models]]\nprovider = \"{provider}\"\nmodel = \"{name}\"\nprice = {PRICE}\n"
            );
            file.write_all(listed.as_bytes())
                .expect("there is room for a file");
        }
    }
    file
}

fn config(provider: &Provider, prices: &Path) -> String {
    let mut config = format!("{CONFIG}{}", provider.in_all_dialects());
    config += &format!("[prices]\nfile = \"{}\"\n", prices.display());
    for behind in ["openai", "anthropic", "gemini"] {
        let mut model = |name: &str, targets: &[&str]| {
            let target =
                |model| format!("{{ provider = \"behind-{behind}\", model = \"{model}\" }}");
            let targets: Vec<_> = targets.iter().map(target).collect();
            let targets = targets.join(", ");
            config += &format!("[[models]]\nname = \"{name}\"\ntargets = [{targets}]\n");
        };
        model(&format!("refused-{behind}-*"), &["*-error-503", "*"]);
        model(&format!("broken-{behind}-*"), &["*-cut-at-start", "*"]);
        // Apart, since a target that says when to come again is left alone until then.
        for fault in ["error-429", "error-500"] {
            model(&format!("via-{behind}-*-{fault}"), &[&format!("*-{fault}")]);
        }
    }
    config
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
const PRICE: &str = "{ input = 1.5, output = 7.7 }";
/// The time between two words of a stream, so that a client can leave in between.
const PACE: Duration = Duration::from_millis(1);
const PART: usize = 500;
const AT_ONCE: usize = 16;

const CONFIG: &str = r#"
    [[keys]]
    id = "alice"
    key = "tg-alice-6d1f0b9c54e2"

    [balance]
    retry_ratio = 1.0

    [breaker]
    consecutive_failures = 1000000
    failure_rate = 1.0
"#;
