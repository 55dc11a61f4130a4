use std::{
    fs, io,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use sqlx::{
    ConnectOptions, Sqlite as Db, SqliteConnection, SqlitePool, Transaction,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    DEADLINE, Dialect, Written,
    mark::{Mark, sync_directory},
};
use crate::SqlError;

/// One connection that writes, and some that read.
#[derive(Clone)]
pub(crate) struct Sqlite {
    pub(crate) mark: Arc<Mark>,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    pub(super) async fn open(path: &str) -> Result<Self, SqlError> {
        if path.is_empty() || path.starts_with(':') {
            return Err(SqlError::Address("SQLite's address names a file"));
        }
        let path = std::path::absolute(path)?;
        make_file(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full) // less loses commits when the power fails
            .pragma("fullfsync", "ON") // without it macOS leaves them in the disk's cache
            .foreign_keys(true)
            .busy_timeout(DEADLINE)
            .disable_statement_logging();
        // The writer is made first: it makes the WAL, which a reader cannot.
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(READERS).connect_lazy_with(options.read_only(true));
        sync_directory(&path)?;
        Ok(Self {
            mark: Mark::beside(&path).into(),
            writer,
            readers,
        })
    }

    pub(crate) async fn begin(&self) -> sqlx::Result<Transaction<'static, Db>> {
        // A transaction that reads first and then writes could fail, for another process may have written between.
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    pub(crate) async fn read(&self) -> sqlx::Result<PoolConnection<Db>> {
        self.readers.acquire().await
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Dialect for SqliteConnection {
    async fn lock_tables(&mut self) -> sqlx::Result<()> {
        Ok(()) // there is one writer
    }

    async fn now(&mut self) -> sqlx::Result<i64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        }))
    }

    async fn announce(&mut self) -> sqlx::Result<()> {
        Ok(()) // whoever wants to know looks
    }

    async fn origin(&mut self) -> sqlx::Result<String> {
        let path: String =
            sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
                .fetch_one(self)
                .await?;
        Ok(format!("sqlite:{}", inode(Path::new(&path))?))
    }

    async fn written_origin(&mut self) -> sqlx::Result<Written> {
        let count = "UPDATE tollgate_origin SET decided = decided + 1
            RETURNING id, origin, decided, lost_at, rest_stated";
        let row: (String, String, i64, i64, i64) = sqlx::query_as(count).fetch_one(self).await?;
        Ok(row.into())
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(DEADLINE)
        .test_before_acquire(false) // there is no network
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes an empty file that nobody else can read, if there is none. SQLite gives its other files the same mode.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
        sync_directory(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.sync_all()
}

#[cfg(unix)]
fn inode(path: &Path) -> io::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::ino(&fs::metadata(path)?))
}

#[cfg(not(unix))]
fn inode(_: &Path) -> io::Result<u64> {
    Ok(0)
}

const READERS: u32 = 4;
