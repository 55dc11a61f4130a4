use std::{
    collections::HashSet,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Targets that have billed more than their bound. What they may cost is not known, so that no hard budget pays for them.
#[derive(Default)]
pub(crate) struct Blocked {
    names: RwLock<HashSet<Arc<str>>>,
    /// As many as there are names: mostly none, and then nothing is locked.
    count: AtomicUsize,
}

impl Blocked {
    /// Blocks a target. When there are too many to remember, all are blocked.
    pub(crate) fn add(&self, target: &Arc<str>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MOST {
            names.insert(Arc::clone(target));
        }
        self.note(names.len());
    }

    pub(crate) fn contains(&self, target: &str) -> bool {
        match self.count.load(Ordering::Relaxed) {
            0 => false,
            MOST.. => true,
            _ => {
                let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
                names.contains(target)
            }
        }
    }

    /// Those there is a place for, in order.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = names.iter().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Lets all serve again.
    pub(crate) fn clear(&self) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if !names.is_empty() {
            names.clear();
            self.note(0);
        }
    }

    /// While the names are locked.
    fn note(&self, count: usize) {
        self.count.store(count, Ordering::Relaxed);
        metrics::gauge!("tollgate_quota_blocked_targets").set(count as f64);
    }
}

const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::{Blocked, MOST};

    #[test]
    fn those_that_there_is_no_place_for_are_blocked_too() {
        let blocked = Blocked::default();
        for index in 0..MOST {
            assert!(!blocked.contains("another"));
            blocked.add(&index.to_string().into());
        }
        assert!(blocked.contains("another"));

        blocked.clear();

        assert!(!blocked.contains("another") && !blocked.contains("0"));
    }
}
