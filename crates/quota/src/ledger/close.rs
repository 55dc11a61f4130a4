use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::{sync::Notify, time::timeout};

use super::{Ledger, table::Entry};

impl Ledger {
    /// Reports and gives back what is not held, in bounded time. What a bank cannot be told stays spent.
    pub async fn close(&self) {
        let closing = async {
            for shard in 0..self.desk.table.shards() {
                let entries = self.desk.table.in_use(shard);
                stream::iter(entries)
                    .for_each_concurrent(TALKS, |entry| self.close_one(entry))
                    .await;
            }
        };
        if timeout(CLOSING, closing).await.is_err() {
            tracing::warn!("not all that was free was given back before the ledger was closed");
        }
    }

    async fn close_one(&self, entry: Arc<Entry>) {
        loop {
            let changed = {
                let mut state = entry.lock();
                let changed = state.changed().cloned().map(Notify::notified_owned);
                let (Some(account), Some(changed)) = (state.awake(), changed) else {
                    return;
                };
                account.hurry();
                let others = std::mem::replace(&mut state.is_talking, true);
                others.then_some(changed)
            };
            match changed {
                Some(changed) => changed.await,
                None => return self.teller(&entry).talk().await,
            }
        }
    }
}

/// So many accounts are given back at once when a ledger is closed.
const TALKS: usize = 64;

/// So long a ledger may take to close.
const CLOSING: Duration = Duration::from_secs(5);
