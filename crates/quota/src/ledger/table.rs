use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use hashbrown::HashTable;
use tokio::sync::Notify;

use super::{
    account::{Account, Rest},
    claim::Key,
};
use crate::{Budget, bank::Asker};

/// All accounts of a ledger. Accounts that nobody holds and that have nothing open can be evicted.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    size: AtomicUsize,
    /// Where the next look for idle accounts begins, and not before when.
    next: AtomicUsize,
    not_before: AtomicU64,
}

type Shard = HashTable<Arc<Entry>>;

/// An account, and those who wait for it.
#[derive(Debug)]
pub(super) struct Entry {
    hash: u64,
    pub(super) text: Arc<str>,
    state: Mutex<State>,
    /// Whoever waits for the bank is woken when it has answered.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    slot: Slot,
    /// Where it is noted in the journal.
    pub(super) place: Option<u32>,
    /// Whether a task talks with the bank about it.
    pub(super) is_talking: bool,
}

/// An account in use, or what is kept of it: most of a million callers rest.
#[derive(Debug)]
enum Slot {
    Awake(Box<Account>),
    Resting(Rest),
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            size: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            not_before: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn find(&self, key: &Key<'_>) -> Option<Arc<Entry>> {
        let hash = self.hasher.hash_one(key);
        let shard = lock(self.shard(hash));
        let found = shard.find(hash, |entry| entry.hash == hash && key.is(&entry.text));
        found.cloned()
    }

    /// The account of this key, a new one if there was none; nothing if there is no place for it.
    pub(super) fn entry(
        &self,
        (key, budget): (&Key<'_>, &Budget),
        max: usize,
        with_reserve: bool,
        now: u64,
    ) -> Option<Arc<Entry>> {
        if let Some(entry) = self.find(key) {
            return Some(entry);
        }
        if self.len() >= max && !self.make_place(now) {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let found = shard.find(hash, |entry| entry.hash == hash && key.is(&entry.text));
        if let Some(entry) = found {
            return Some(Arc::clone(entry)); // another was faster
        }
        let text: Arc<str> = key.text().into();
        let asker = Asker::random();
        let account = Account::new(Arc::clone(&text), budget.clone(), asker, with_reserve);
        let entry = Arc::new(Entry::new(hash, text, account, None));
        shard.insert_unique(hash, Arc::clone(&entry), |entry| entry.hash);
        self.size.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Puts in an account of this text that is noted there, if there is none and the text is one.
    pub(super) fn insert(&self, text: &Arc<str>, account: impl FnOnce() -> Account, place: u32) {
        let Some(key) = Key::of(text) else {
            return;
        };
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        let found = shard.find(hash, |entry| entry.hash == hash && entry.text == *text);
        if found.is_none() {
            let entry = Entry::new(hash, Arc::clone(text), account(), Some(place));
            shard.insert_unique(hash, Arc::new(entry), |entry| entry.hash);
            self.size.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those of a shard that this is true of.
    pub(super) fn select(
        &self,
        shard: usize,
        wanted: impl Fn(&mut State) -> bool,
    ) -> Vec<Arc<Entry>> {
        let shard = lock(&self.shards[shard]);
        shard
            .iter()
            .filter(|entry| wanted(&mut entry.lock()))
            .cloned()
            .collect()
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Forgets idle accounts of the first shard that has any. If none has, it is not looked again for a while: a table full
    /// of busy accounts is not gone through for everyone who comes.
    fn make_place(&self, now: u64) -> bool {
        if now < self.not_before.load(Ordering::Relaxed) {
            return false;
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let found = (0..SHARDS)
            .any(|index| self.evict(&self.shards[first.wrapping_add(index) % SHARDS], now));
        if !found {
            self.not_before
                .store(now.saturating_add(PAUSE), Ordering::Relaxed);
        }
        found
    }

    /// Forgets accounts of a shard that have nothing open, nothing free and nobody who holds them.
    fn evict(&self, shard: &Mutex<Shard>, now: u64) -> bool {
        let mut shard = lock(shard);
        let before = shard.len();
        // Nobody can take hold of one meanwhile: that takes the shard's lock.
        shard.retain(|entry| Arc::strong_count(entry) > 1 || !entry.lock().is_idle(now));
        let evicted = before - shard.len();
        self.size.fetch_sub(evicted, Ordering::Relaxed);
        evicted > 0
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        // The table itself uses the other bits.
        &self.shards[(hash >> 48) as usize % SHARDS]
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("accounts", &self.len())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn new(hash: u64, text: Arc<str>, account: Account, place: Option<u32>) -> Self {
        Self {
            hash,
            text,
            state: Mutex::new(State {
                slot: Slot::Awake(Box::new(account)),
                place,
                is_talking: false,
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The account, if it is in use.
    pub(super) fn awake(&mut self) -> Option<&mut Account> {
        match &mut self.slot {
            Slot::Awake(account) => Some(account),
            Slot::Resting(_) => None,
        }
    }

    /// The account, from here on in use.
    pub(super) fn wake(
        &mut self,
        text: &Arc<str>,
        budget: &Budget,
        with_reserve: bool,
    ) -> &mut Account {
        if let Slot::Resting(rest) = self.slot {
            let account = Account::wake(Arc::clone(text), budget.clone(), rest, with_reserve);
            self.slot = Slot::Awake(Box::new(account));
        }
        self.awake().expect("it has just been woken")
    }

    /// Lets it rest, if it was not used lately. Answers whether it does from now on.
    pub(super) fn rest(&mut self, now: u64) -> bool {
        let rest = self.awake().and_then(|account| account.rest(now));
        if let Some(rest) = rest {
            self.slot = Slot::Resting(rest);
        }
        rest.is_some()
    }

    fn is_idle(&mut self, now: u64) -> bool {
        // One that is noted in the journal rests first.
        let is_used = self.is_talking || self.place.is_some();
        !is_used && self.awake().is_none_or(|account| account.is_idle(now))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 64;

/// After a vain look for idle accounts, so long is waited for the next, in milliseconds.
const PAUSE: u64 = 1_000;
