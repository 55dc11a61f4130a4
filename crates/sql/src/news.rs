#[cfg(feature = "postgres")]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(feature = "postgres")]
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};

use crate::{Database, database::Pool};

/// What tells that keys may have changed. Postgres notifies; and everywhere a little time has passed, so that a message
/// that is lost does not matter.
#[derive(Clone)]
pub(crate) enum News {
    #[cfg(feature = "sqlite")]
    Polled,
    #[cfg(feature = "postgres")]
    Listened {
        /// Of its own: a pool that is closed waits for all of its connections.
        pool: PgPool,
        listener: Arc<Mutex<Option<PgListener>>>,
    },
}

impl News {
    pub(crate) fn new(database: &Database) -> Self {
        match database.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => Self::Polled,
            #[cfg(feature = "postgres")]
            Pool::Postgres(ref pool) => Self::Listened {
                pool: PgPoolOptions::new()
                    .acquire_timeout(POLL)
                    .connect_lazy_with((*pool.connect_options()).clone()),
                listener: Arc::default(),
            },
        }
    }

    pub(crate) async fn wait(&self) {
        match *self {
            #[cfg(feature = "sqlite")]
            Self::Polled => tokio::time::sleep(POLL).await,
            #[cfg(feature = "postgres")]
            Self::Listened {
                ref pool,
                ref listener,
            } => {
                // Taken out while it is used, so that no lock is held. Who comes second makes one of its own.
                let known = lock(listener).take();
                let listening = tokio::time::timeout(POLL, listen(pool, known)).await;
                if let Ok(Some(mut known)) = listening {
                    let heard = tokio::time::timeout(2 * POLL, known.recv()).await;
                    if !matches!(heard, Ok(Err(_))) {
                        *lock(listener) = Some(known);
                        return;
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

#[cfg(feature = "postgres")]
async fn listen(pool: &PgPool, known: Option<PgListener>) -> Option<PgListener> {
    if known.is_some() {
        return known;
    }
    let mut listener = PgListener::connect_with(pool).await.ok()?;
    listener
        .listen(crate::database::postgres::CHANNEL)
        .await
        .ok()?;
    Some(listener)
}

#[cfg(feature = "postgres")]
fn lock(listener: &Mutex<Option<PgListener>>) -> MutexGuard<'_, Option<PgListener>> {
    listener.lock().unwrap_or_else(PoisonError::into_inner)
}

const POLL: Duration = Duration::from_millis(250);
