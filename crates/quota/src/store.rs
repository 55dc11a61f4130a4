use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

/// Governor's keyed store, shared with us so that we can ask what is in it, and counted: to count a `DashMap` locks
/// all of its shards.
pub(crate) struct Store<K: Eq + Hash>(Arc<Inner<K>>);

struct Inner<K: Eq + Hash> {
    states: DashMapStateStore<K>,
    len: AtomicUsize,
}

impl<K: Clone + Eq + Hash> Store<K> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            states: DashMap::default(),
            len: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len.load(Ordering::Relaxed)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.states.contains_key(key)
    }
}

impl<K: Clone + Eq + Hash> StateStore for Store<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(state) = self.0.states.get(key) {
            return state.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        let state = match self.0.states.entry(key.clone()) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(entry) => {
                self.0.len.fetch_add(1, Ordering::Relaxed);
                entry.insert(InMemoryState::default())
            }
        };
        state.measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl<K: Clone + Eq + Hash> ShrinkableKeyedStateStore<K> for Store<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.states.retain_recent(drop_below);
        // What came in meanwhile may be counted wrong by a few, until the next time.
        self.0.len.store(self.0.states.len(), Ordering::Relaxed);
    }

    fn shrink_to_fit(&self) {
        self.0.states.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
