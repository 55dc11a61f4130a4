//! What a ledger with a journal promises, through its public names. A life ends with its runtime: nothing is written then,
//! as in a process that is killed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    time,
};
use tollgate_core::fact::{Cost, Period};
use tollgate_quota::{
    Bank, Budget, Claim, Hold, Journal, Ledger, Settlement,
    bank::{Answer, Answering, Authority, BankError, MemoryAuthority, Message, Order},
};

#[test]
fn what_was_free_goes_on_and_what_was_held_stays_spent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let authority = MemoryAuthority::new();

    let mut life = Life::begin(&authority, Some(&path));
    let open = life.hold(300).unwrap();
    life.hold(500)
        .unwrap()
        .settle(Settlement::Known(nanos(100)));
    life.hold(100).unwrap().settle(Settlement::Whole);
    life.end(vec![open]);

    let mut life = Life::begin(&authority, Some(&path));
    // 300 are in the open hold, and 100 and 100 were spent.
    assert!(life.hold(501).is_none());
    assert!(life.hold(500).is_some());
}

#[test]
fn what_nobody_uses_goes_back_when_the_ledger_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let authority = MemoryAuthority::new();
    let mut life = Life::begin(&authority, Some(&path));
    let open = life.hold(10).unwrap();
    drop(life.hold(500));
    life.hold(20).unwrap().settle(Settlement::Whole);
    life.end(vec![open]);
    assert!(authority.granted(TEXT) > Some(30));

    let life = Life::begin(&authority, Some(&path));
    life.runtime.block_on(life.ledger.close());

    assert_eq!(authority.granted(TEXT), Some(30));
}

#[test]
fn what_nobody_uses_goes_back_after_the_first_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let authority = MemoryAuthority::new();
    let mut life = Life::begin(&authority, Some(&path));
    drop(life.hold(500));
    life.hold(20).unwrap().settle(Settlement::Whole);
    life.end(Vec::new());

    let life = Life::begin(&authority, Some(&path));
    let budget = Budget::hard(nanos(LIMIT), Period::Total);
    let other = Claim {
        account: "b",
        ..claim(&budget)
    };
    life.runtime.block_on(async {
        life.ledger
            .hold_soon(&[other], nanos(1))
            .await
            .unwrap()
            .settle(Settlement::Whole);
        time::sleep(Duration::from_secs(10)).await;
    });

    assert_eq!(authority.granted(TEXT), Some(20));
}

#[test]
fn another_bank_has_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut life = Life::begin(&MemoryAuthority::new(), Some(&path));
    drop(life.hold(500));
    life.hold(1).unwrap().settle(Settlement::Whole);
    life.end(Vec::new());

    let other = MemoryAuthority::new();
    let mut life = Life::begin(&other, Some(&path));
    let mut spent = 0;
    while let Some(hold) = life.hold(10) {
        hold.settle(Settlement::Whole);
        spent += 10;
    }

    assert_eq!(spent, LIMIT);
}

#[test]
fn two_that_share_a_path_do_not_share_its_money() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let authority = MemoryAuthority::new();
    let mut life = Life::begin(&authority, Some(&path));
    drop(life.hold(500));

    assert!(Journal::open(&path).is_err());
}

#[test]
fn in_many_lives_no_more_is_billed_than_the_limit_and_less_is_stranded() {
    let (mut with, mut without) = (0, 0);
    for seed in 1..=150 {
        with += lives(seed, true);
        without += lives(seed, false);
    }
    println!("stranded: {with} with the journal, {without} without");
    assert!(with < without / 2);
}

/// Lives and dies some times over one budget. Answers what is granted to nobody who lives, and was not billed.
fn lives(seed: u64, has_journal: bool) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let path = has_journal.then_some(path.as_path());
    let chance = Chance::new(seed);
    let authority = MemoryAuthority::new();
    let faulty = Faulty {
        authority: authority.clone(),
        chance: chance.clone(),
        is_on: Arc::new(AtomicBool::new(true)),
    };
    let mut billed = 0;
    for _ in 0..8 {
        let mut life = Life::begin(&faulty, path);
        let mut open: Vec<Hold> = Vec::new();
        for _ in 0..chance.below(25) {
            match chance.below(8) {
                0 if !open.is_empty() => drop(open.pop()),
                1..=3 if !open.is_empty() => {
                    let mut hold = open.swap_remove(chance.below(open.len() as u64) as usize);
                    hold.mark_sent();
                    let spent = chance.below(hold.amount().nanos() as u64 + 1) as i64;
                    billed += spent;
                    hold.settle(Settlement::Known(nanos(spent)));
                }
                4 => life.pass(Duration::from_millis(chance.below(6_000))),
                _ => open.extend(life.hold(1 + chance.below(60) as i64)),
            }
            assert!(billed <= LIMIT, "seed {seed}: {billed}");
        }
        // Those that were under way are billed in full.
        billed += open.iter().map(|hold| hold.amount().nanos()).sum::<i64>();
        life.end(open);
        assert!(billed <= LIMIT, "seed {seed}: {billed}");
    }
    faulty.is_on.store(false, Ordering::Relaxed);
    let life = Life::begin(&faulty, path);
    life.runtime.block_on(life.ledger.close());
    let granted = authority.granted(TEXT).unwrap_or(0);
    assert!(
        (billed..=LIMIT).contains(&granted),
        "seed {seed}: {granted} granted, {billed} billed"
    );
    granted - billed
}

struct Life {
    runtime: Runtime,
    ledger: Ledger,
}

impl Life {
    fn begin(authority: &(impl Authority + Clone), path: Option<&Path>) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let bank = Bank::new(authority.clone());
        let ledger = runtime.block_on(async {
            match path {
                Some(path) => Ledger::with_journal(bank, Journal::open(path).unwrap()),
                None => Ledger::new(bank),
            }
        });
        Self { runtime, ledger }
    }

    fn hold(&mut self, amount: i64) -> Option<Hold> {
        let budget = Budget::hard(nanos(LIMIT), Period::Total);
        let held = self.runtime.block_on(async {
            self.ledger
                .hold_soon(&[claim(&budget)], nanos(amount))
                .await
        });
        held.ok()
    }

    fn pass(&mut self, time: Duration) {
        self.runtime.block_on(async { time::sleep(time).await });
    }

    fn end(self, open: Vec<Hold>) {
        drop(self.runtime);
        // Dropped, they are settled in a memory that nobody sees any more.
        drop(open);
    }
}

/// Its answers are lost now and then.
#[derive(Clone, Debug)]
struct Faulty {
    authority: MemoryAuthority,
    chance: Chance,
    is_on: Arc<AtomicBool>,
}

impl Authority for Faulty {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let fate = match self.is_on.load(Ordering::Relaxed) {
            true => self.chance.below(40),
            false => 9,
        };
        let authority = self.authority.clone();
        Box::pin(async move {
            match fate {
                0 => Err(BankError::new("it did not arrive")),
                1 => authority
                    .ask(message)
                    .await
                    .and(Err(BankError::new("the answer is lost"))),
                _ => authority.ask(message).await,
            }
        })
    }
}

/// Repeatable.
#[derive(Clone, Debug)]
struct Chance(Arc<AtomicU64>);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )))
    }

    fn below(&self, bound: u64) -> u64 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        (x >> 11) % bound.max(1)
    }
}

fn claim(budget: &Budget) -> Claim<'_> {
    Claim {
        scope: "key",
        account: "a",
        name: "all",
        budget,
    }
}

const fn nanos(nanos: i64) -> Cost {
    Cost::from_nanos(nanos)
}

const LIMIT: i64 = 1_000;

/// The account's name in the bank.
const TEXT: &str = "3:key,1:a,all";
