use std::{
    collections::{BTreeMap, HashMap},
    fmt, future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Storing, UsageBatch, UsageKey, UsageQuery, UsageRow, UsageStore, UsageSums};

/// Sums in memory, gone with the process. When there are too many, those of the first days go.
#[derive(Clone, Default)]
pub struct MemoryUsage(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sums: BTreeMap<UsageKey, UsageSums>,
    last: HashMap<u128, u64>,
}

impl MemoryUsage {
    /// Without sums.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // A sum is whole between any two batches, even if one of them panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsageStore for MemoryUsage {
    fn add(&self, batch: Arc<UsageBatch>) -> Storing<()> {
        let mut state = self.lock();
        let last = state.last.entry(batch.reporter).or_default();
        if *last < batch.number {
            *last = batch.number;
            for (key, sums) in &batch.rows {
                state.sums.entry(key.clone()).or_default().add(sums);
            }
            while state.sums.len() > MOST_SUMS {
                state.sums.pop_first();
            }
        }
        Box::pin(future::ready(Ok(())))
    }

    fn query(&self, query: UsageQuery) -> Storing<Vec<UsageRow>> {
        let rows = query.run(self.lock().sums.iter());
        Box::pin(future::ready(Ok(rows)))
    }
}

impl fmt::Debug for MemoryUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUsage")
            .field("sums", &self.lock().sums.len())
            .finish_non_exhaustive()
    }
}

/// Some tens of megabytes.
const MOST_SUMS: usize = 100_000;
