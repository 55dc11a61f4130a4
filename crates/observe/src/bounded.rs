use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use metrics::Counter;

/// A map that is read often, and holds so many entries: what is over shares one.
pub(crate) struct Bounded<K, V> {
    most: usize,
    entries: RwLock<HashMap<K, Arc<V>>>,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: RwLock::default(),
        }
    }

    pub(crate) fn get(
        &self,
        key: K,
        other: impl FnOnce(K) -> K,
        make: impl FnOnce(K) -> V,
    ) -> Arc<V> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = entries.get(&key) {
            return Arc::clone(value);
        }
        drop(entries);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let full = entries.len() >= self.most && !entries.contains_key(&key);
        let key = if full { other(key) } else { key };
        let entry = entries.entry(key.clone());
        Arc::clone(entry.or_insert_with(|| Arc::new(make(key))))
    }
}

/// A few counters by what they count, looked through in order.
pub(crate) struct Tally<L>(RwLock<Vec<(L, Counter)>>);

impl<L: Clone + PartialEq> Tally<L> {
    pub(crate) fn count(
        &self,
        label: &L,
        other: impl FnOnce() -> L,
        register: impl FnOnce(&L) -> Counter,
    ) {
        let find = |counters: &Vec<(L, Counter)>, label: &L| {
            let known = counters.iter().find(|(known, _)| known == label)?;
            known.1.increment(1);
            Some(())
        };
        if find(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
            label,
        )
        .is_some()
        {
            return;
        }
        let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let label = if counters.len() < MOST_TALLIED {
            label.clone()
        } else {
            other()
        };
        if find(&counters, &label).is_none() {
            let counter = register(&label);
            counter.increment(1);
            counters.push((label, counter));
        }
    }
}

impl<L> Default for Tally<L> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

/// Codes are chosen by layers and not by callers; this holds if one is not.
const MOST_TALLIED: usize = 64;
