use std::{
    collections::{BTreeMap, HashMap},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::{
    UsageBatch, UsageError, UsageKey, UsageQuery, UsageRow, UsageStore, UsageSums, series::Series,
};

/// Adds up in memory, and hands what it has to a [`UsageStore`] every second. Clones share the sums.
///
/// While the store is away the sums wait. When they become too many to be told apart, new ones are counted together, as
/// those of the model `(other)`: detail is lost, the total of a day is not.
#[derive(Clone)]
pub struct RollUp {
    shared: Arc<Shared>,
    /// Its last clone's end is an end too.
    closing: Arc<watch::Sender<bool>>,
}

struct Shared {
    open: Mutex<HashMap<Series, UsageSums>>,
    full: Notify,
    store: Arc<dyn UsageStore>,
}

impl RollUp {
    /// Hands what it counts to this store, by a task of the runtime.
    ///
    /// # Panics
    /// Outside a runtime, and when the system has no random numbers.
    pub fn new(store: impl UsageStore) -> Self {
        let shared = Arc::new(Shared {
            open: Mutex::default(),
            full: Notify::new(),
            store: Arc::new(store),
        });
        let closing = Arc::new(watch::Sender::new(false));
        let mut reporter = [0; 16];
        getrandom::fill(&mut reporter).expect("the system has random numbers");
        tokio::spawn(report(
            Arc::clone(&shared),
            closing.subscribe(),
            u128::from_le_bytes(reporter),
        ));
        Self { shared, closing }
    }

    /// Reads sums: those that the store has, which lack the last second.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn query(&self, query: UsageQuery) -> Result<Vec<UsageRow>, UsageError> {
        self.shared.store.query(query).await
    }

    /// Hands over what is left, in ten seconds at most. What is counted later is lost.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        self.closing.closed().await; // the task holds the only receiver
    }

    pub(super) fn count(&self, series: Series, sums: &UsageSums) {
        let mut open = self.shared.lock();
        let len = open.len();
        if len >= FULL {
            self.shared.full.notify_one();
        }
        if let Some(known) = open.get_mut(&series) {
            known.add(sums);
        } else {
            let series = match len {
                ..MOST => series,
                _ => Series::other(series.day),
            };
            open.entry(series).or_default().add(sums);
        }
    }
}

impl fmt::Debug for RollUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RollUp")
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// In order, so that two processes that write the same rows do not wait for each other in a circle.
    fn take(&self) -> Vec<(UsageKey, UsageSums)> {
        let open = mem::take(&mut *self.lock());
        let mut rows = BTreeMap::<UsageKey, UsageSums>::new();
        for (series, sums) in open {
            rows.entry(series.key()).or_default().add(&sums); // cut, two names can be one
        }
        rows.into_iter().collect()
    }

    // Sums are whole between any two requests.
    fn lock(&self) -> MutexGuard<'_, HashMap<Series, UsageSums>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn report(shared: Arc<Shared>, mut closing: watch::Receiver<bool>, reporter: u128) {
    let mut closed = false;
    for number in 1.. {
        while !closed {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = shared.full.notified() => {}
                _ = closing.wait_for(|closing| *closing) => closed = true,
            }
            if !shared.lock().is_empty() {
                break;
            }
        }
        let rows = shared.take();
        if rows.is_empty() {
            return;
        }
        let batch = Arc::new(UsageBatch {
            reporter,
            number,
            rows,
        });
        let added = add(&*shared.store, batch);
        tokio::pin!(added);
        if !closed {
            tokio::select! {
                () = &mut added => continue,
                _ = closing.wait_for(|closing| *closing) => closed = true,
            }
        }
        if timeout(LAST, added).await.is_err() {
            tracing::error!("usage is lost: its store did not take it");
            return;
        }
    }
}

/// Tries until the store has taken it: it takes a batch once only.
async fn add(store: &dyn UsageStore, batch: Arc<UsageBatch>) {
    while let Err(error) = store.add(Arc::clone(&batch)).await {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(cause, "{error}; it is tried again");
        sleep(EVERY).await;
    }
}

const EVERY: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(10);

/// With so many series a batch is sent early.
const FULL: usize = 4_096;
/// More series are not told apart.
const MOST: usize = 16_384;
