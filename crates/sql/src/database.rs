mod attaching;
pub(crate) mod mark;
mod migrations;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use self::attaching::{Attaching, RETRY};
use crate::SqlError;

/// A database: SQLite in one file, or Postgres. Clones share the connections.
#[derive(Clone)]
pub struct Database {
    pub(crate) pool: Pool,
    deadline: Duration,
    /// What sets it up, if it could not be reached when it was opened.
    attaching: Option<Arc<Attaching>>,
}

impl Database {
    /// Opens the database at `sqlite://path` or `postgres://user:password@host/name`, and brings its tables up to date.
    /// Several processes may do so at once.
    ///
    /// A file of SQLite is made if it is not there, with its directory; it has to be on a local disk.
    ///
    /// # Errors
    /// When there is no such database, it cannot be reached, or it belongs to a later version.
    pub async fn open(url: &SecretString) -> Result<Self, SqlError> {
        let database = Self::at(url).await?;
        let until = Instant::now() + DEADLINE;
        while let Err(error) = database.set_up().await {
            // A server may be starting just now.
            if !error.is_away() || Instant::now() >= until {
                return Err(error);
            }
            sleep(RETRY).await;
        }
        Ok(database)
    }

    /// The same for who can do without for a while: a Postgres that cannot be reached is opened as soon as it can be, and
    /// until then all calls fail with [`SqlError::Away`].
    ///
    /// # Errors
    /// When the address is none, a file cannot be opened, the server refuses, or the database belongs to a later version.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn attach(url: &SecretString) -> Result<Self, SqlError> {
        let mut database = Self::at(url).await?;
        match database.set_up().await {
            Err(error) if error.is_away() && !database.is_file() => {
                let attaching = Attaching::start(database.clone());
                database.attaching = Some(Arc::new(attaching));
            }
            done => done?,
        }
        Ok(database)
    }

    /// Whether it was reached, and its tables brought up to date; it may be away since.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.attaching.as_ref().is_none_or(|it| it.is_done())
    }

    /// Sets how long a call may take; 5 seconds by default.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Closes the connections, when those who use them are done.
    pub async fn close(&self) {
        if let Some(attaching) = &self.attaching {
            attaching.stop();
        }
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(ref sqlite) => sqlite.close().await,
            #[cfg(feature = "postgres")]
            Pool::Postgres(ref pool) => pool.close().await,
        }
    }

    /// The database at an address; a server is not asked yet.
    async fn at(url: &SecretString) -> Result<Self, SqlError> {
        let url = url.expose_secret();
        let pool = match url.split_once("://") {
            #[cfg(feature = "sqlite")]
            Some(("sqlite", path)) => Pool::Sqlite(sqlite::Sqlite::open(path).await?),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Pool::Postgres(postgres::pool(url)?),
            _ => return Err(SqlError::Address(ADDRESS)),
        };
        Ok(Self {
            pool,
            deadline: DEADLINE,
            attaching: None,
        })
    }

    /// Reaches it, and brings its tables up to date.
    async fn set_up(&self) -> Result<(), SqlError> {
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => {}
            #[cfg(feature = "postgres")]
            Pool::Postgres(ref pool) => postgres::reach(pool).await?,
        }
        // Another process may be at it just now.
        let patient = self.clone().with_deadline(12 * DEADLINE);
        patient.within(migrations::run(self)).await
    }

    const fn is_file(&self) -> bool {
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => false,
        }
    }

    /// What lies beside a file, where there is a file.
    pub(crate) fn mark(&self) -> Option<&mark::Mark> {
        match self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(ref sqlite) => Some(&sqlite.mark),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => None,
        }
    }

    /// What takes longer is given up; a transaction that is given up is rolled back, unless its commit was under way.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, SqlError>>,
    ) -> Result<T, SqlError> {
        if !self.is_open() {
            return Err(SqlError::Away);
        }
        let done = tokio::time::timeout(self.deadline, work).await;
        done.unwrap_or(Err(SqlError::Late(self.deadline)))
    }
}

impl fmt::Debug for Database {
    // The pools would show the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.pool.name()).finish()
    }
}

#[derive(Clone)]
pub(crate) enum Pool {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

impl Pool {
    const fn name(&self) -> &'static str {
        match *self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "postgres",
        }
    }
}

/// What SQLite and Postgres say differently.
pub(crate) trait Dialect {
    /// Lets nobody else set up tables until the transaction ends.
    async fn lock_tables(&mut self) -> sqlx::Result<()>;

    /// The time, in milliseconds since 1970.
    async fn now(&mut self) -> sqlx::Result<i64>;

    /// Tells everybody that keys have changed, when the transaction is committed.
    async fn announce(&mut self) -> sqlx::Result<()>;

    /// Which memory this is, as far as it can be told: another one has another text.
    async fn origin(&mut self) -> sqlx::Result<String>;

    /// What is written of its origin, counting what was decided where that is of use.
    async fn written_origin(&mut self) -> sqlx::Result<Written>;
}

/// The row of `tollgate_origin`.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Drawn when it was written first, and again after a loss.
    pub(crate) id: String,
    pub(crate) origin: String,
    /// Ascends with each decision, in SQLite.
    pub(crate) decided: i64,
    pub(crate) lost_at: i64,
    pub(crate) rest_stated: i64,
}

impl From<(String, String, i64, i64, i64)> for Written {
    fn from((id, origin, decided, lost_at, rest_stated): (String, String, i64, i64, i64)) -> Self {
        Self {
            id,
            origin,
            decided,
            lost_at,
            rest_stated,
        }
    }
}

/// Runs one body of SQL in a transaction of either database. A `?` in it leaves the function, and rolls back.
macro_rules! transact {
    ($database:expr, |$tx:ident| $body:expr) => {{
        #[allow(unused_imports, reason = "not every body needs it")]
        use $crate::database::Dialect as _;
        match $database.pool {
            #[cfg(feature = "sqlite")]
            $crate::database::Pool::Sqlite(ref sqlite) => {
                let mut $tx = sqlite.begin().await?;
                let answer = $body;
                $tx.commit().await?;
                answer
            }
            #[cfg(feature = "postgres")]
            $crate::database::Pool::Postgres(ref pool) => {
                let mut $tx = pool.begin_with($crate::database::postgres::BEGIN).await?;
                let answer = $body;
                $tx.commit().await?;
                answer
            }
        }
    }};
}

/// Runs one body of SQL that reads, on a connection of either database.
macro_rules! read {
    ($database:expr, |$connection:ident| $body:expr) => {
        match $database.pool {
            #[cfg(feature = "sqlite")]
            $crate::database::Pool::Sqlite(ref sqlite) => {
                let mut $connection = sqlite.read().await?;
                $body
            }
            #[cfg(feature = "postgres")]
            $crate::database::Pool::Postgres(ref pool) => {
                let mut $connection = pool.acquire().await?;
                $body
            }
        }
    };
}

pub(crate) use {read, transact};

pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
const ADDRESS: &str = "a database's address begins with `sqlite://` or `postgres://`, as far as \
                       this program was built for them";
