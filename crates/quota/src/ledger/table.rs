use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use hashbrown::HashTable;
use tokio::sync::Notify;

use super::{
    account::{Account, Figures, Rest},
    claim::Key,
};
use crate::{
    Budget,
    account::{AccountId, AccountIds},
    bank::Asker,
};

/// All accounts of a ledger. Accounts that nobody holds and that have nothing open can be evicted.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    ids: AccountIds,
    size: AtomicUsize,
    /// Those in use: who was not looked at for the longest stands first.
    awake: Mutex<VecDeque<Arc<Entry>>>,
    /// Where the next look for idle accounts begins, and not before when.
    next: AtomicUsize,
    not_before: AtomicU64,
}

type Shard = HashTable<Arc<Entry>>;

/// An account. Its name is known to an account in use only: most of a million callers rest.
pub(super) struct Entry {
    id: AccountId,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    slot: Slot,
    /// Where it is noted in the journal.
    pub(super) place: Option<u32>,
    /// Whether a task talks with the bank about it.
    pub(super) is_talking: bool,
}

/// An account in use and those who wait for it, or what is kept of it.
#[derive(Debug)]
enum Slot {
    Awake(Box<Account>, Arc<Notify>),
    Resting(Rest),
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            ids: AccountIds::new(),
            size: AtomicUsize::new(0),
            awake: Mutex::default(),
            next: AtomicUsize::new(0),
            not_before: AtomicU64::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(super) fn find(&self, key: &Key<'_>) -> Option<Arc<Entry>> {
        let id = self.ids.hash(key);
        let shard = lock(self.shard(id));
        shard.find(id.prefix(), |entry| entry.id == id).cloned()
    }

    /// A new account of this key, which has none; nothing if there is no place for it.
    pub(super) fn entry(&self, key: &Key<'_>, max: usize, now: u64) -> Option<Arc<Entry>> {
        if self.len() >= max && !self.make_place(now) {
            return None;
        }
        let id = self.ids.hash(key);
        let mut shard = lock(self.shard(id));
        if let Some(entry) = shard.find(id.prefix(), |entry| entry.id == id) {
            return Some(Arc::clone(entry)); // another was faster
        }
        let slot = Slot::Resting(Rest::new(Asker::random()));
        let entry = Arc::new(Entry::new(id, slot, None));
        shard.insert_unique(id.prefix(), Arc::clone(&entry), Entry::hash);
        self.size.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Puts in an account of this text that is noted there, if there is none and the text is one.
    pub(super) fn insert(&self, text: &str, account: impl FnOnce() -> Account, place: u32) {
        let Some(key) = Key::of(text) else {
            return;
        };
        let id = self.ids.hash(key);
        let mut shard = lock(self.shard(id));
        if shard.find(id.prefix(), |entry| entry.id == id).is_none() {
            let slot = Slot::Awake(Box::new(account()), Arc::default());
            let entry = Arc::new(Entry::new(id, slot, Some(place)));
            self.put_last([Arc::clone(&entry)]);
            shard.insert_unique(id.prefix(), entry, Entry::hash);
            self.size.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those of a shard that are in use.
    pub(super) fn in_use(&self, shard: usize) -> Vec<Arc<Entry>> {
        let shard = lock(&self.shards[shard]);
        shard
            .iter()
            .filter(|entry| entry.lock().awake().is_some())
            .cloned()
            .collect()
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// How many are in use.
    pub(super) fn awake(&self) -> usize {
        lock(&self.awake).len()
    }

    /// Takes those out that were not looked at for the longest. Who does not rest then is [put last](Self::put_last).
    pub(super) fn take_first(&self, most: usize) -> Vec<Arc<Entry>> {
        let mut awake = lock(&self.awake);
        let most = most.min(awake.len());
        awake.drain(..most).collect()
    }

    /// Puts in accounts in use. Answers how many there are then.
    pub(super) fn put_last(&self, entries: impl IntoIterator<Item = Arc<Entry>>) -> usize {
        let mut awake = lock(&self.awake);
        awake.extend(entries);
        awake.len()
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
        shard.retain(|entry| {
            let mut state = entry.lock();
            let known = 1 + usize::from(state.awake().is_some());
            Arc::strong_count(entry) > known || !state.is_idle(now)
        });
        let evicted = before - shard.len();
        self.size.fetch_sub(evicted, Ordering::Relaxed);
        evicted > 0
    }

    fn shard(&self, id: AccountId) -> &Mutex<Shard> {
        // The table itself uses the other bits.
        &self.shards[(id.prefix() >> 48) as usize % SHARDS]
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
    const fn new(id: AccountId, slot: Slot, place: Option<u32>) -> Self {
        Self {
            id,
            state: Mutex::new(State {
                slot,
                place,
                is_talking: false,
            }),
        }
    }

    fn hash(self: &Arc<Self>) -> u64 {
        self.id.prefix()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// The account, if it is in use.
    pub(super) fn awake(&mut self) -> Option<&mut Account> {
        match &mut self.slot {
            Slot::Awake(account, _) => Some(account),
            Slot::Resting(_) => None,
        }
    }

    /// The account, from here on in use; and whether it was not before. Then it has to be [put last](Table::put_last).
    pub(super) fn wake(
        &mut self,
        text: impl FnOnce() -> Arc<str>,
        budget: &Budget,
        with_reserve: bool,
    ) -> (&mut Account, bool) {
        let rested = match self.slot {
            Slot::Awake(..) => false,
            Slot::Resting(rest) => {
                let mut account = Account::wake(text(), budget.clone(), rest, with_reserve);
                if rest.is_strict() {
                    account.ask_anew(0);
                }
                self.slot = Slot::Awake(Box::new(account), Arc::default());
                true
            }
        };
        (self.awake().expect("it has just been woken"), rested)
    }

    /// Lets it rest, if it was not used lately. Answers whether it does from now on.
    pub(super) fn rest(&mut self, now: u64) -> bool {
        let Slot::Awake(account, changed) = &self.slot else {
            return false;
        };
        let is_awaited = Arc::strong_count(changed) > 1;
        let rest = account.rest(now).filter(|_| !is_awaited);
        if let Some(rest) = rest {
            self.slot = Slot::Resting(rest);
        }
        rest.is_some()
    }

    /// What is known of a budget of this key.
    pub(super) fn figures(&self, key: &Key<'_>, budget: &Budget, now: u64) -> Figures {
        match &self.slot {
            Slot::Awake(account, _) => account.figures(now),
            Slot::Resting(rest) => {
                let text = key.text().into();
                Account::wake(text, budget.clone(), *rest, false).figures(now)
            }
        }
    }

    /// What wakes whoever waits for the bank, when it has answered; nothing while it rests.
    pub(super) fn changed(&self) -> Option<&Arc<Notify>> {
        match &self.slot {
            Slot::Awake(_, changed) => Some(changed),
            Slot::Resting(_) => None,
        }
    }

    /// Wakes whoever waits for the bank.
    pub(super) fn tell(&self) {
        if let Some(changed) = self.changed() {
            changed.notify_waiters();
        }
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
