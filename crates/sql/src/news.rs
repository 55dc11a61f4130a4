#[cfg(feature = "postgres")]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(feature = "postgres")]
use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};

#[cfg(feature = "postgres")]
use crate::database::postgres::CHANNEL;
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
                let mut lent = Lent::new(listener);
                let listening = tokio::time::timeout(POLL, lent.listen(pool)).await;
                if let Ok(Some(listener)) = listening {
                    match tokio::time::timeout(2 * POLL, listener.recv()).await {
                        Ok(Err(_)) => lent.listener = None,
                        _ => return,
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

/// A listener, taken out of its place while it is used, so that no lock is held. Who comes second makes one of its own.
/// It goes back also when whoever waits gives up.
#[cfg(feature = "postgres")]
struct Lent<'a> {
    place: &'a Mutex<Option<PgListener>>,
    listener: Option<PgListener>,
}

#[cfg(feature = "postgres")]
impl<'a> Lent<'a> {
    fn new(place: &'a Mutex<Option<PgListener>>) -> Self {
        let listener = lock(place).take();
        Self { place, listener }
    }

    async fn listen(&mut self, pool: &PgPool) -> Option<&mut PgListener> {
        if self.listener.is_none() {
            let mut listener = PgListener::connect_with(pool).await.ok()?;
            listener.listen(CHANNEL).await.ok()?;
            self.listener = Some(listener);
        }
        self.listener.as_mut()
    }
}

#[cfg(feature = "postgres")]
impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            *lock(self.place) = Some(listener);
        }
    }
}

#[cfg(feature = "postgres")]
fn lock(place: &Mutex<Option<PgListener>>) -> MutexGuard<'_, Option<PgListener>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

const POLL: Duration = Duration::from_millis(250);
