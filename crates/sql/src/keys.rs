mod row;

use std::{fmt, future::Future, pin::Pin};

use serde::de::DeserializeOwned;
use tollgate_auth::{
    Changes, GroupKind, GroupRecord, KeyRecord, KeyStore, KeyStoreError, Page, Stored,
};

use self::row::{KEY, Row, changes_since, parse, put, version};
use crate::{Database, SqlError, database::read, news::News};

/// Keys and groups, in a [`Database`]. Of a key itself nothing is there but its digest.
///
/// Versions are milliseconds since 1970 where they can be, so that they go on ascending after a backup was read in.
#[derive(Clone)]
pub struct SqlKeys {
    database: Database,
    news: News,
}

impl SqlKeys {
    /// In this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            news: News::new(&database),
            database,
        }
    }

    /// Runs in bounded time.
    fn run<T, F>(&self, work: impl FnOnce(Database) -> F) -> Stored<T>
    where
        F: Future<Output = Result<T, SqlError>> + Send + 'static,
        T: Send + 'static,
    {
        let (database, work) = (self.database.clone(), work(self.database.clone()));
        Box::pin(async move {
            let done = database.within(work).await;
            done.map_err(KeyStoreError::unavailable)
        })
    }

    fn put(&self, row: Result<Row, SqlError>) -> Stored<u64> {
        let written = self.run(|database| async move { put(&database, row?).await });
        Box::pin(async move { written.await?.ok_or(KeyStoreError::Conflict) })
    }

    fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        kind: &'static str,
        id: &str,
    ) -> Stored<Option<T>> {
        let id = id.to_owned();
        self.run(move |database| async move {
            let record: Option<String> = read!(database, |connection| {
                sqlx::query_scalar("SELECT record FROM tollgate_record WHERE kind = $1 AND id = $2")
                    .bind(kind)
                    .bind(id)
                    .fetch_optional(&mut *connection)
                    .await?
            });
            record.map(|record| parse(&record)).transpose()
        })
    }

    fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        kind: &'static str,
        page: Page,
    ) -> Stored<Vec<T>> {
        self.run(move |database| async move {
            let records: Vec<String> = read!(database, |connection| {
                sqlx::query_scalar(LIST)
                    .bind(kind)
                    .bind(page.after.as_deref())
                    .bind(page.parent.as_deref())
                    .bind(page.user.as_deref())
                    .bind(page.team.as_deref())
                    .bind(page.org.as_deref())
                    .bind(i64::try_from(page.limit).unwrap_or(i64::MAX))
                    .fetch_all(&mut *connection)
                    .await?
            });
            records.iter().map(|record| parse(record)).collect()
        })
    }
}

impl KeyStore for SqlKeys {
    fn changes_since(&self, version: u64) -> Stored<Changes> {
        self.run(move |database| async move { changes_since(&database, version).await })
    }

    fn changed(&self, since: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let keys = self.clone();
        Box::pin(async move {
            for _ in 0..ROUNDS {
                match keys.database.within(version(&keys.database)).await {
                    Ok(version) if version > since => return,
                    Ok(_) => keys.news.wait().await,
                    // Whoever asks will find that out, but not at once and again and again.
                    Err(_) => return keys.news.wait().await,
                }
            }
        })
    }

    fn put_key(&self, record: KeyRecord) -> Stored<u64> {
        self.put(Row::of_key(record))
    }

    fn put_group(&self, record: GroupRecord) -> Stored<u64> {
        self.put(Row::of_group(record))
    }

    fn key(&self, id: &str) -> Stored<Option<KeyRecord>> {
        self.get(KEY, id)
    }

    fn group(&self, kind: GroupKind, id: &str) -> Stored<Option<GroupRecord>> {
        self.get(kind.as_str(), id)
    }

    fn keys(&self, page: Page) -> Stored<Vec<KeyRecord>> {
        self.list(KEY, page)
    }

    fn groups(&self, kind: GroupKind, page: Page) -> Stored<Vec<GroupRecord>> {
        let page = Page {
            user: None,
            team: None,
            org: None,
            ..page
        };
        self.list(kind.as_str(), page)
    }
}

impl fmt::Debug for SqlKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlKeys").field(&self.database).finish()
    }
}

/// After so many rounds without news somebody should look, for whether the database is there at all.
const ROUNDS: u32 = 4;

const LIST: &str = "SELECT record FROM tollgate_record
    WHERE kind = $1 AND NOT deleted
        AND (CAST($2 AS TEXT) IS NULL OR id > $2)
        AND (CAST($3 AS TEXT) IS NULL OR parent = $3)
        AND (CAST($4 AS TEXT) IS NULL OR in_user = $4)
        AND (CAST($5 AS TEXT) IS NULL OR in_team = $5)
        AND (CAST($6 AS TEXT) IS NULL OR in_org = $6)
    ORDER BY id LIMIT $7";
