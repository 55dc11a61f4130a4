use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Breaker, BreakerPolicy, State};

/// The breaker of each key, as many as there may be.
pub(crate) struct Breakers<K> {
    map: RwLock<Map<K>>,
}

struct Map<K> {
    cells: HashMap<K, Arc<Cell<K>>>,
    /// When it was looked through in vain.
    full_at: Option<Instant>,
}

/// A breaker under its lock.
pub(crate) struct Cell<K> {
    pub(crate) key: K,
    breaker: Mutex<Breaker>,
}

impl<K: Clone + Eq + Hash> Breakers<K> {
    /// The breaker of a key; none if there is no room for one.
    pub(crate) fn of(
        &self,
        key: K,
        policy: BreakerPolicy,
        max_keys: usize,
        now: Instant,
    ) -> Option<Arc<Cell<K>>> {
        let known = |map: &Map<K>| map.cells.get(&key).cloned();
        let cell = known(&self.map.read().unwrap_or_else(PoisonError::into_inner));
        cell.or_else(|| {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            known(&map).or_else(|| {
                map.has_room(max_keys, now).then(|| {
                    let cell = Arc::new(Cell {
                        key: key.clone(),
                        breaker: Mutex::new(Breaker::new(policy)),
                    });
                    map.cells.insert(key.clone(), Arc::clone(&cell));
                    cell
                })
            })
        })
    }

    pub(crate) fn state<Q>(&self, key: &Q) -> Option<State>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.cells.get(key).map(|cell| cell.lock().state())
    }

    pub(crate) fn len(&self) -> usize {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.cells.len()
    }
}

impl<K: Eq + Hash> Map<K> {
    /// Makes room if there is none: forgets those with nothing to remember, or else those that hold nobody back.
    fn has_room(&mut self, max_keys: usize, now: Instant) -> bool {
        if self.cells.len() < max_keys {
            return true;
        }
        if self.full_at.is_some_and(|at| now < at + LOOK_AGAIN) {
            return false;
        }
        self.forget(|breaker| breaker.is_pristine(now));
        if self.cells.len() >= max_keys {
            self.forget(|breaker| breaker.is_dispensable(now));
        }
        // Where little was gained, the next look waits: each costs as much as there are keys.
        let crowded = self.cells.len() >= max_keys - max_keys / 8;
        self.full_at = crowded.then_some(now);
        self.cells.len() < max_keys
    }

    fn forget(&mut self, dispensable: impl Fn(&Breaker) -> bool) {
        // A call in flight holds its cell, and would report to one that nobody asks.
        self.cells
            .retain(|_, cell| Arc::strong_count(cell) > 1 || !dispensable(&cell.lock()));
    }
}

impl<K> Default for Breakers<K> {
    fn default() -> Self {
        Self {
            map: RwLock::new(Map {
                cells: HashMap::new(),
                full_at: None,
            }),
        }
    }
}

impl<K> Cell<K> {
    // A breaker calls nothing of the user's: no panic spoils it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LOOK_AGAIN: Duration = Duration::from_secs(1);
