use std::{hash::Hash, sync::Arc};

use dashmap::DashMap;

/// How many requests each key has in flight. A key without any has no entry.
pub(crate) struct Slots<K: Eq + Hash> {
    limit: u32,
    held: DashMap<K, u32>,
}

impl<K: Clone + Eq + Hash> Slots<K> {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            held: DashMap::default(),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Takes a slot, which is given back when it is dropped, and says how many are left.
    pub(crate) fn take(self: &Arc<Self>, key: K) -> Option<(Slot<K>, u32)> {
        let mut held = self.held.entry(key.clone()).or_insert(0);
        if *held >= self.limit {
            return None;
        }
        *held += 1;
        let left = self.limit - *held;
        let slots = Arc::clone(self);
        Some((Slot { key, slots }, left))
    }

    /// How many are held in all.
    pub(crate) fn held(&self) -> usize {
        self.held.iter().map(|held| *held as usize).sum()
    }
}

/// One request in flight.
pub(crate) struct Slot<K: Eq + Hash> {
    key: K,
    slots: Arc<Slots<K>>,
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        self.slots.held.remove_if_mut(&self.key, |_, held| {
            *held -= 1;
            *held == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_requests_in_flight_has_no_entry() {
        let slots = Arc::new(Slots::new(2));

        let taken: Vec<_> = (0..6).map(|n| slots.take(n % 2)).collect();
        assert_eq!((slots.held(), slots.held.len()), (4, 2));
        drop(taken);

        assert_eq!((slots.held(), slots.held.len()), (0, 0));
    }
}
