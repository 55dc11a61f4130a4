//! A process that is killed at any point, over and over, and a provider that meters for itself.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::runtime::Builder;
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Bank, Budget, Claim, Journal, Ledger, Settlement,
    bank::{
        Answer, Answering, Asker, Authority, BankError, MemoryAuthority, Message, Order, Window,
        calendar::Calendar,
    },
};

#[test]
fn killed_at_any_point_it_never_spends_more_than_the_limit_and_strands_less() {
    let with = kills(true);
    let without = kills(false);

    println!("stranded by {KILLS} kills: {with} with the journal, {without} without");
    assert!(with < without);
}

/// Not a test: a process that spends all it gets, until it is killed. The test above starts it.
#[test]
fn a_life() {
    if let Ok(address) = std::env::var(ADDRESS) {
        live(
            &address,
            std::env::var_os(JOURNAL).as_deref().map(Path::new),
        );
    }
}

/// Answers what of the budget is granted to nobody who lives, and was not billed.
fn kills(has_journal: bool) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let path = has_journal.then_some(path.as_path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = MemoryAuthority::new();
    let mut billed = 0;
    for life in 0..KILLS {
        let mut child = spawn(&listener, path);
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let killer = thread::spawn(move || {
            // Drawn by chance, so that no part of what it does is left out.
            thread::sleep(Duration::from_micros((Asker::random().0 % 30_000) as u64));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        billed += serve(&stream, &authority);
        killer.join().unwrap();
        let granted = authority.granted(TEXT).unwrap_or(0);
        assert!(
            billed <= granted && granted <= LIMIT,
            "life {life}: {billed} of {granted}"
        );
    }
    // The last one goes in peace.
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(ledger(authority.clone(), path).close());
    let granted = authority.granted(TEXT).unwrap_or(0);
    println!("{billed} billed, {granted} granted");
    granted - billed
}

/// The authority's and the provider's side, until the other one is dead. Also what arrives after its death counts. Answers
/// what is billed.
fn serve(stream: &TcpStream, authority: &MemoryAuthority) -> i64 {
    let runtime = Builder::new_current_thread().build().unwrap();
    let mut billed = 0;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        let words: Vec<&str> = line.split(' ').collect();
        if let ["call", bill, "."] = words[..] {
            billed += bill.parse::<i64>().unwrap();
        } else if let Some(message) = read_message(&words) {
            let answer = runtime.block_on(authority.ask(message)).unwrap();
            // It may be dead by now.
            let _ = (&*stream).write_all(format!("{}\n", write_answer(&answer)).as_bytes());
        }
    }
    billed
}

fn live(address: &str, path: Option<&Path>) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let far = Far(Arc::new(Mutex::new(BufReader::new(
        stream.try_clone().unwrap(),
    ))));
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let ledger = ledger(far, path);
        let budget = Budget::hard(Cost::from_nanos(LIMIT), Period::Total);
        let claim = Claim {
            scope: "key",
            account: "a",
            name: "all",
            budget: &budget,
        };
        for count in 0_i64.. {
            let amount = 200 + count * 37 % 300;
            let Ok(mut hold) = ledger.hold_soon(&[claim], Cost::from_nanos(amount)).await else {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            };
            // Most calls cost less than their hold.
            let bill = if count % 4 == 0 { amount } else { amount / 2 };
            hold.mark_sent();
            (&stream)
                .write_all(format!("call {bill} .\n").as_bytes())
                .unwrap();
            hold.settle(Settlement::Known(Cost::from_nanos(bill)));
            tokio::task::yield_now().await;
        }
    });
}

fn ledger(authority: impl Authority, path: Option<&Path>) -> Ledger {
    let bank = Bank::new(authority);
    match path {
        Some(path) => Ledger::with_journal(bank, Journal::open(path).unwrap()),
        None => Ledger::new(bank),
    }
}

fn spawn(listener: &TcpListener, path: Option<&Path>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_life", "--nocapture"])
        .env(ADDRESS, listener.local_addr().unwrap().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(path) = path {
        command.env(JOURNAL, path);
    }
    command.spawn().unwrap()
}

/// The authority, at the other end of a connection.
#[derive(Clone, Debug)]
struct Far(Arc<Mutex<BufReader<TcpStream>>>);

impl Authority for Far {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let mut stream = self.0.lock().unwrap();
        let mut line = String::new();
        let asked = stream
            .get_mut()
            .write_all(write_message(&message).as_bytes());
        let answer = asked
            .and_then(|()| stream.read_line(&mut line))
            .map_err(BankError::new)
            .and_then(|_| read_answer(&line).ok_or_else(|| BankError::new("no answer")));
        Box::pin(std::future::ready(answer))
    }
}

fn write_message(message: &Message<Order>) -> String {
    let (kind, first, second) = match message.ask {
        Order::Grant { least, wish, .. } => ("grant", least, wish),
        Order::GiveBack { window, amount } => ("back", window as i64, amount),
        Order::Charge { window, amount } => ("charge", window as i64, amount),
    };
    format!(
        "{kind} {} {} {first} {second} .\n",
        message.asker.0, message.number
    )
}

fn read_message(words: &[&str]) -> Option<Message<Order>> {
    // A line that is not whole was not sent.
    let [kind, asker, number, first, second, "."] = words[..] else {
        return None;
    };
    let (first, amount) = (first.parse().ok()?, second.parse().ok()?);
    let window = first as u64;
    let ask = match kind {
        "grant" => Order::Grant {
            limit: Cost::from_nanos(LIMIT),
            calendar: Calendar::new(Period::Total, "UTC"),
            least: first,
            wish: amount,
        },
        "back" => Order::GiveBack { window, amount },
        _ => Order::Charge { window, amount },
    };
    Some(Message {
        account: TEXT.into(),
        asker: Asker(asker.parse().ok()?),
        number: number.parse().ok()?,
        ask,
    })
}

fn write_answer(answer: &Answer) -> String {
    match answer {
        Answer::Granted {
            window,
            amount,
            left,
            scarce,
        } => {
            format!(
                "granted {} {amount} {left} {}",
                write_window(window),
                i32::from(*scarce)
            )
        }
        Answer::Spent { window, left } => format!("spent {} {left}", write_window(window)),
        Answer::Booked { left } => format!("booked {left}"),
        Answer::Old => "old".into(),
    }
}

fn read_answer(line: &str) -> Option<Answer> {
    let (kind, numbers) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let numbers: Vec<i64> = numbers.split(' ').flat_map(str::parse).collect();
    Some(match (kind, &numbers[..]) {
        ("granted", [window @ .., amount, left, scarce]) => Answer::Granted {
            window: read_window(window)?,
            amount: *amount,
            left: *left,
            scarce: *scarce == 1,
        },
        ("spent", [window @ .., left]) => Answer::Spent {
            window: read_window(window)?,
            left: *left,
        },
        ("booked", [left]) => Answer::Booked { left: *left },
        ("old", []) => Answer::Old,
        _ => return None,
    })
}

fn write_window(window: &Window) -> String {
    format!(
        "{} {} {} {}",
        window.number, window.starts_at, window.ends_at, window.now
    )
}

fn read_window(numbers: &[i64]) -> Option<Window> {
    let [number, starts_at, ends_at, now] = *numbers else {
        return None;
    };
    Some(Window {
        number: number as u64,
        starts_at,
        ends_at,
        now,
    })
}

const KILLS: usize = 30;

const LIMIT: i64 = 3_000_000;

/// The account's name in the bank.
const TEXT: &str = "3:key,1:a,all";

const ADDRESS: &str = "TOLLGATE_TEST_ADDRESS";

const JOURNAL: &str = "TOLLGATE_TEST_JOURNAL";
