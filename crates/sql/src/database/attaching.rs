use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::AbortHandle, time::sleep};

use super::Database;

/// A task that sets a database up as soon as it can be reached. It ends with this.
pub(super) struct Attaching {
    done: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Attaching {
    pub(super) fn start(database: Database) -> Self {
        let done = Arc::<AtomicBool>::default();
        let task = tokio::spawn(attach(database, Arc::clone(&done)));
        Self {
            done,
            task: task.abort_handle(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Attaching {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn attach(database: Database, done: Arc<AtomicBool>) {
    let mut told = None;
    while let Err(error) = database.set_up().await {
        // Why it cannot be used may change: a server that is back may not want us.
        let why = error.to_string() + &error.source().map(ToString::to_string).unwrap_or_default();
        if told.as_ref() != Some(&why) {
            let error = &error as &dyn Error;
            tracing::warn!(error, "the database cannot be opened yet");
            told = Some(why);
        }
        sleep(RETRY).await;
    }
    done.store(true, Ordering::Release);
    tracing::info!("the database was opened");
}

pub(super) const RETRY: Duration = Duration::from_millis(250);
