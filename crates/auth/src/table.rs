use std::{iter, sync::Arc};

use tollgate_core::fact::Principal;

use crate::KeyDigest;

/// Whose digest it is, and until when: what is read for every request.
///
/// Digests are as good as random, so that they are their own hashes. An entry is one line of the processor's cache, and
/// entries that collide are neighbours. Clones share the shards, and one that is changed copies only those that it changes.
#[derive(Clone)]
pub(crate) struct Table {
    shards: Box<[Shard]>,
}

#[derive(Clone)]
struct Shard {
    slots: Arc<[Slot]>,
    used: usize,
}

#[derive(Clone)]
#[repr(align(64))]
struct Slot {
    digest: KeyDigest,
    until: i64,
    principal: Option<Principal>,
}

impl Table {
    /// Whose digest it is, and from when on it is not, in milliseconds since 1970.
    pub(crate) fn get(&self, digest: &KeyDigest) -> Option<(&Principal, i64)> {
        let slots = &self.shards[shard(digest)].slots;
        let slot = &slots[find(slots, digest)];
        Some((slot.principal.as_ref()?, slot.until))
    }

    /// Puts a digest into the place of an equal one.
    pub(crate) fn insert(&mut self, digest: KeyDigest, principal: Principal, until: i64) {
        self.shards[shard(&digest)].insert(Slot {
            digest,
            until,
            principal: Some(principal),
        });
    }

    /// Forgets a digest, if it is known.
    pub(crate) fn remove(&mut self, digest: &KeyDigest) {
        if self.get(digest).is_some() {
            self.shards[shard(digest)].remove(digest);
        }
    }

    /// How many digests are known.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.used).sum()
    }
}

impl Default for Table {
    fn default() -> Self {
        let empty = Shard {
            slots: iter::once(Slot::EMPTY).collect(),
            used: 0,
        };
        Self {
            shards: vec![empty; SHARDS].into(),
        }
    }
}

impl Shard {
    fn insert(&mut self, slot: Slot) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let at = find(&self.slots, &slot.digest);
        self.used += usize::from(self.slots[at].principal.is_none());
        Arc::make_mut(&mut self.slots)[at] = slot;
    }

    fn grow(&mut self) {
        let mut slots = vec![Slot::EMPTY; self.slots.len() * 2];
        for slot in self.slots.iter().filter(|slot| slot.principal.is_some()) {
            let at = find(&slots, &slot.digest);
            slots[at] = slot.clone();
        }
        self.slots = slots.into();
    }

    /// Those behind the gap close up, for a search ends at an empty slot.
    fn remove(&mut self, digest: &KeyDigest) {
        let slots = Arc::make_mut(&mut self.slots);
        let mask = slots.len() - 1;
        let mut gap = find(slots, digest);
        let mut next = gap;
        loop {
            next = (next + 1) & mask;
            if slots[next].principal.is_none() {
                break;
            }
            let from_home = next.wrapping_sub(home(&slots[next].digest, mask)) & mask;
            if from_home >= next.wrapping_sub(gap) & mask {
                slots.swap(gap, next);
                gap = next;
            }
        }
        slots[gap] = Slot::EMPTY;
        self.used -= 1;
    }
}

impl Slot {
    const EMPTY: Self = Self {
        digest: KeyDigest::ZERO,
        until: 0,
        principal: None,
    };
}

/// The slot of a digest, or the empty one that it would be in. One slot at least is empty.
fn find(slots: &[Slot], digest: &KeyDigest) -> usize {
    let mask = slots.len() - 1;
    let mut at = home(digest, mask);
    while slots[at].principal.is_some() && slots[at].digest != *digest {
        at = (at + 1) & mask;
    }
    at
}

fn shard(digest: &KeyDigest) -> usize {
    usize::from(digest.prefix() as u8)
}

fn home(digest: &KeyDigest, mask: usize) -> usize {
    (digest.prefix() >> 8) as usize & mask
}

/// As many as a byte has values.
const SHARDS: usize = 1 << 8;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Digests of few shards and fewer homes, so that they collide.
    fn digest(seed: u8) -> KeyDigest {
        let mut bytes = [seed; 32];
        bytes[..8].copy_from_slice(&[seed % 2, seed % 7, 0, 0, 0, 0, 0, 0]);
        bytes.into()
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<u8>(), any::<bool>()), 0..600)) {
            let mut table = Table::default();
            let mut model = HashMap::new();
            for (step, (seed, insert)) in steps.into_iter().enumerate() {
                let until = step as i64;
                if insert {
                    table.insert(digest(seed), Principal::new(seed.to_string()), until);
                    model.insert(seed, until);
                } else {
                    table.remove(&digest(seed));
                    model.remove(&seed);
                }
            }

            prop_assert_eq!(table.len(), model.len());
            for seed in 0..=u8::MAX {
                let found = table.get(&digest(seed));
                let found = found.map(|(who, until)| (who.key().to_owned(), until));
                let known = model.get(&seed).map(|until| (seed.to_string(), *until));
                prop_assert_eq!(found, known);
            }
        }
    }

    #[test]
    fn a_clone_that_is_changed_leaves_the_other_as_it_was() {
        let mut one = Table::default();
        one.insert(digest(1), Principal::new("a"), 1);

        let mut other = one.clone();
        other.insert(digest(3), Principal::new("b"), 1);
        other.remove(&digest(1));

        assert!(one.get(&digest(1)).is_some() && one.get(&digest(3)).is_none());
        assert!(other.get(&digest(1)).is_none() && other.get(&digest(3)).is_some());
    }

    #[test]
    fn an_entry_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
