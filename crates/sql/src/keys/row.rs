use serde::{Serialize, de::DeserializeOwned};
use tollgate_auth::{Changes, GroupRecord, KeyDigest, KeyRecord};

use crate::{
    Database, SqlError,
    database::{read, transact},
};

/// A record as a row. The columns beside it are for lists.
pub(super) struct Row {
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
    pub(super) fn of_key(key: KeyRecord) -> Result<Self, SqlError> {
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

    pub(super) fn of_group(group: GroupRecord) -> Result<Self, SqlError> {
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
pub(super) async fn put(database: &Database, mut row: Row) -> Result<Option<u64>, SqlError> {
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

pub(super) async fn changes_since(database: &Database, since: u64) -> Result<Changes, SqlError> {
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

pub(super) async fn version(database: &Database) -> Result<u64, SqlError> {
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

pub(super) fn parse<T: DeserializeOwned>(record: &str) -> Result<T, SqlError> {
    // The error could quote the record.
    serde_json::from_str(record).map_err(|_| SqlError::Spoilt("a record"))
}

/// The kind of a key; a group's is its own word.
pub(super) const KEY: &str = "key";

/// So many records at once, to bound what is in memory.
const AT_ONCE: i64 = 5_000;

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

const CHANGES: &str = "SELECT kind, version, record FROM tollgate_record
    WHERE version > $1 ORDER BY version LIMIT $2";
