use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Hold, accounts::Accounts, bound::Again};

/// The holds of calls that are open and can become dearer: as many as there are such calls.
pub(crate) struct OpenCalls {
    shards: [Mutex<HashMap<u64, OpenCall>>; SHARDS],
    last: AtomicU64,
    /// How often prices were read.
    readings: AtomicU64,
}

/// What is held for a call, and what it may cost by the prices of now.
pub(crate) struct OpenCall {
    pub(crate) holds: [Option<Hold>; 2],
    pub(crate) again: Again,
}

impl OpenCalls {
    pub(crate) fn new() -> Self {
        Self {
            shards: [(); SHARDS].map(|()| Mutex::default()),
            last: AtomicU64::new(0),
            readings: AtomicU64::new(0),
        }
    }

    /// To be asked before the bound is.
    pub(crate) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Acquire)
    }

    /// Makes all holds as large as their calls may cost by the prices of now; none smaller.
    pub(crate) fn reprice(&self) {
        self.readings.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            lock(shard).values_mut().for_each(OpenCall::raise);
        }
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, HashMap<u64, OpenCall>> {
        lock(&self.shards[number as usize % SHARDS])
    }
}

impl OpenCall {
    fn raise(&mut self) {
        if let Some(cost) = (self.again)() {
            for hold in self.holds.iter_mut().flatten() {
                hold.raise(cost);
            }
        }
    }
}

/// A call among those that are open, until this is dropped.
pub(crate) struct Opened {
    accounts: Arc<Accounts>,
    number: u64,
}

impl Opened {
    /// Opens a call whose bound was asked for when prices had been read so often.
    pub(crate) fn new(accounts: &Arc<Accounts>, mut call: OpenCall, readings: u64) -> Self {
        let open = &accounts.open;
        let number = open.last.fetch_add(1, Ordering::Relaxed);
        let mut shard = open.shard(number);
        // Under the lock: they were read before, or this call is found when they are.
        if open.readings() != readings {
            call.raise();
        }
        shard.insert(number, call);
        drop(shard);
        Self {
            accounts: Arc::clone(accounts),
            number,
        }
    }

    /// Closes it: its holds are to be settled.
    pub(crate) fn close(&mut self) -> [Option<Hold>; 2] {
        let call = self.accounts.open.shard(self.number).remove(&self.number);
        call.map_or([None, None], |call| call.holds)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // What was not settled is, once the lock is free.
        mem::drop(self.close());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 64;
