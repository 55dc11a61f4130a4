use std::{fmt, future::Future, pin::Pin};

use serde::{Serialize, de::DeserializeOwned};
use tollgate_auth::{
    Changes, GroupKind, GroupRecord, KeyDigest, KeyRecord, KeyStore, KeyStoreError, Page, Stored,
};

use crate::{
    Database, SqlError,
    database::{read, transact},
    news::News,
};

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

/// A record as a row. The columns beside it are for lists.
struct Row {
    kind: &'static str,
    id: String,
    made_of: u64,
    deleted: bool,
    above: [Option<String>; 4],
    digests: Vec<KeyDigest>,
    /// All but its version, which is not known yet.
    record: serde_json::Value,
}

impl Row {
    fn of_key(key: KeyRecord) -> Result<Self, SqlError> {
        let previous = key.previous.as_ref().map(|previous| previous.digest);
        let above = [&key.parent, &key.user, &key.team, &key.org];
        Ok(Self {
            kind: KEY,
            id: key.id.to_string(),
            made_of: key.version,
            deleted: key.deleted,
            above: above.map(|it| it.as_deref().map(ToOwned::to_owned)),
            digests: std::iter::once(key.digest).chain(previous).collect(),
            record: value(&key)?,
        })
    }

    fn of_group(group: GroupRecord) -> Result<Self, SqlError> {
        let parent = group.parent.as_deref().map(ToOwned::to_owned);
        Ok(Self {
            kind: group.kind.as_str(),
            id: group.id.to_string(),
            made_of: group.version,
            deleted: group.deleted,
            above: [parent, None, None, None],
            digests: Vec::new(),
            record: value(&group)?,
        })
    }
}

/// Writes a row, unless it is a conflict.
async fn put(database: &Database, mut row: Row) -> Result<Option<u64>, SqlError> {
    let version = transact!(database, |tx| {
        let now = tx.now().await?;
        let version: i64 = sqlx::query_scalar(NEXT)
            .bind(now)
            .fetch_one(&mut *tx)
            .await?;
        let known: Option<i64> =
            sqlx::query_scalar("SELECT version FROM tollgate_record WHERE kind = $1 AND id = $2")
                .bind(row.kind)
                .bind(&row.id)
                .fetch_optional(&mut *tx)
                .await?;
        if known.map_or(Ok(0), u64::try_from) != Ok(row.made_of) {
            return Ok(None);
        }
        if row.kind == KEY {
            sqlx::query("DELETE FROM tollgate_digest WHERE key_id = $1")
                .bind(&row.id)
                .execute(&mut *tx)
                .await?;
        }
        row.digests.dedup();
        for digest in &row.digests {
            let added = sqlx::query(ADD_DIGEST)
                .bind(digest.to_string())
                .bind(&row.id)
                .execute(&mut *tx)
                .await?;
            if added.rows_affected() == 0 {
                return Ok(None);
            }
        }
        row.record["version"] = version.into();
        let [parent, user, team, org] = &row.above;
        sqlx::query(PUT)
            .bind(row.kind)
            .bind(&row.id)
            .bind(version)
            .bind(row.deleted)
            .bind(parent)
            .bind(user)
            .bind(team)
            .bind(org)
            .bind(row.record.to_string())
            .execute(&mut *tx)
            .await?;
        tx.announce().await?;
        version
    });
    Ok(Some(unsigned(version)?))
}

async fn changes_since(database: &Database, since: u64) -> Result<Changes, SqlError> {
    // Read first: all that was committed up to this version is in the rows that are read after it.
    let mut changes = Changes {
        version: version(database).await?,
        ..Changes::default()
    };
    let rows: Vec<(String, i64, String)> = read!(database, |connection| {
        sqlx::query_as(CHANGES)
            .bind(i64::try_from(since).unwrap_or(i64::MAX))
            .bind(AT_ONCE)
            .fetch_all(&mut *connection)
            .await?
    });
    changes.more = rows.len() as i64 == AT_ONCE;
    if let Some((_, last, _)) = rows.last() {
        let last = unsigned(*last)?;
        changes.version = match changes.more {
            true => last,
            false => changes.version.max(last),
        };
    }
    for (kind, _, record) in rows {
        match kind.as_str() {
            KEY => changes.keys.push(parse(&record)?),
            _ => changes.groups.push(parse(&record)?),
        }
    }
    Ok(changes)
}

async fn version(database: &Database) -> Result<u64, SqlError> {
    let version: i64 = read!(database, |connection| {
        sqlx::query_scalar("SELECT version FROM tollgate_keys")
            .fetch_one(&mut *connection)
            .await?
    });
    unsigned(version)
}

fn unsigned(version: i64) -> Result<u64, SqlError> {
    u64::try_from(version).map_err(|_| SqlError::Spoilt("a version"))
}

fn value(record: &impl Serialize) -> Result<serde_json::Value, SqlError> {
    serde_json::to_value(record).map_err(|_| SqlError::Spoilt("a record"))
}

fn parse<T: DeserializeOwned>(record: &str) -> Result<T, SqlError> {
    // The error could quote the record.
    serde_json::from_str(record).map_err(|_| SqlError::Spoilt("a record"))
}

/// The kind of a key; a group's is its own word.
const KEY: &str = "key";

/// So many records at once, to bound what is in memory.
const AT_ONCE: i64 = 5_000;

/// After so many rounds without news somebody should look, for whether the database is there at all.
const ROUNDS: u32 = 4;

const NEXT: &str = "UPDATE tollgate_keys
    SET version = CASE WHEN version < $1 THEN $1 ELSE version + 1 END RETURNING version";

const ADD_DIGEST: &str =
    "INSERT INTO tollgate_digest (digest, key_id) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";

const PUT: &str = "INSERT INTO tollgate_record
    (kind, id, version, deleted, parent, in_user, in_team, in_org, record)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
        parent = excluded.parent, in_user = excluded.in_user, in_team = excluded.in_team,
        in_org = excluded.in_org, record = excluded.record";

const LIST: &str = "SELECT record FROM tollgate_record
    WHERE kind = $1 AND NOT deleted
        AND (CAST($2 AS TEXT) IS NULL OR id > $2)
        AND (CAST($3 AS TEXT) IS NULL OR parent = $3)
        AND (CAST($4 AS TEXT) IS NULL OR in_user = $4)
        AND (CAST($5 AS TEXT) IS NULL OR in_team = $5)
        AND (CAST($6 AS TEXT) IS NULL OR in_org = $6)
    ORDER BY id LIMIT $7";

const CHANGES: &str = "SELECT kind, version, record FROM tollgate_record
    WHERE version > $1 ORDER BY version LIMIT $2";
