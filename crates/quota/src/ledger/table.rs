use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use hashbrown::HashTable;
use tokio::sync::Notify;

use super::{account::Account, claim::Claim};
use crate::bank::Asker;

/// All accounts of a ledger. Accounts that nobody holds and that have nothing open can be evicted.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    size: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    entries: HashTable<Arc<Entry>>,
    /// When there was no place in it, and idle accounts were looked for.
    swept_at: u64,
}

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
    pub(super) account: Account,
    /// Whether a task talks with the bank about it.
    pub(super) is_talking: bool,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            size: AtomicUsize::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn find(&self, claim: &Claim<'_>) -> Option<Arc<Entry>> {
        let hash = self.hasher.hash_one(claim);
        let shard = lock(self.shard(hash));
        let found = shard
            .entries
            .find(hash, |entry| entry.hash == hash && claim.is(&entry.text));
        found.cloned()
    }

    /// The account of a claim, a new one if there was none; nothing if there is no place for it.
    pub(super) fn entry(
        &self,
        claim: &Claim<'_>,
        max: usize,
        with_reserve: bool,
        now: u64,
    ) -> Option<Arc<Entry>> {
        let hash = self.hasher.hash_one(claim);
        let mut shard = lock(self.shard(hash));
        let found = shard
            .entries
            .find(hash, |entry| entry.hash == hash && claim.is(&entry.text));
        if let Some(entry) = found {
            return Some(Arc::clone(entry));
        }
        if self.len() >= max {
            // A shard full of busy accounts is not gone through again for everyone who comes.
            if now < shard.swept_at.saturating_add(SWEPT) {
                return None;
            }
            shard.swept_at = now;
            self.evict(&mut shard, now);
            if self.len() >= max {
                return None;
            }
        }
        let text: Arc<str> = claim.text().into();
        let asker = Asker::random();
        let account = Account::new(Arc::clone(&text), claim.budget.clone(), asker, with_reserve);
        let entry = Arc::new(Entry {
            hash,
            text,
            state: Mutex::new(State {
                account,
                is_talking: false,
            }),
            changed: Notify::new(),
        });
        shard
            .entries
            .insert_unique(hash, Arc::clone(&entry), |entry| entry.hash);
        self.size.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Those of a shard that this is true of.
    pub(super) fn select(
        &self,
        shard: usize,
        wanted: impl Fn(&mut State) -> bool,
    ) -> Vec<Arc<Entry>> {
        let shard = lock(&self.shards[shard]);
        shard
            .entries
            .iter()
            .filter(|entry| wanted(&mut entry.lock()))
            .cloned()
            .collect()
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Forgets accounts of a shard that have nothing open, nothing free and nobody who holds them.
    fn evict(&self, shard: &mut Shard, now: u64) {
        shard.entries.retain(|entry| {
            // Nobody can take hold of it meanwhile: that takes the shard's lock.
            let is_used = Arc::strong_count(entry) > 1 || !entry.lock().account.is_idle(now);
            if !is_used {
                self.size.fetch_sub(1, Ordering::Relaxed);
            }
            is_used
        });
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
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 64;

/// A full shard is looked through for idle accounts so often, in milliseconds.
const SWEPT: u64 = 1_000;
