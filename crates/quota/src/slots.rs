use dashmap::DashMap;

use crate::account::{AccountId, Hashed};

/// How many requests each account has in flight. An account without any has no entry.
#[derive(Default)]
pub(crate) struct Slots(DashMap<AccountId, u32, Hashed>);

impl Slots {
    /// Takes a slot, and says how many are left.
    pub(crate) fn take(&self, id: AccountId, limit: u32) -> Option<u32> {
        let mut held = self.0.entry(id).or_insert(0);
        if *held >= limit {
            return None;
        }
        *held += 1;
        Some(limit - *held)
    }

    /// Gives a slot back.
    pub(crate) fn give_back(&self, id: AccountId) {
        self.0.remove_if_mut(&id, |_, held| {
            *held = held.saturating_sub(1);
            *held == 0
        });
    }

    /// How many are held in all.
    pub(crate) fn held(&self) -> usize {
        self.0.iter().map(|held| *held as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountIds, Subject};

    #[test]
    fn an_account_without_requests_in_flight_has_no_entry() {
        let (slots, ids) = (Slots::default(), AccountIds::new());
        let [a, b] = ["a", "b"].map(|name| {
            let account = Some(name);
            ids.of(
                0,
                Subject {
                    within: None,
                    account,
                    model: None,
                },
            )
        });

        for _ in 0..3 {
            for id in [a, b] {
                let _ = slots.take(id, 2);
            }
        }
        assert_eq!((slots.held(), slots.0.len()), (4, 2));
        for _ in 0..2 {
            slots.give_back(a);
            slots.give_back(b);
        }

        assert_eq!((slots.held(), slots.0.len()), (0, 0));
    }
}
