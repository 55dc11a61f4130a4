use std::{fmt::Write as _, sync::Arc};

use sqlx::{AssertSqlSafe, QueryBuilder, Row as _};
use tollgate_quota::usage::{
    Storing, UsageBatch, UsageError, UsageField, UsageKey, UsageQuery, UsageRow, UsageStore,
    UsageSums,
};

use crate::{
    Database, SqlError,
    database::{read, transact},
};

/// The sums of what was used, in a [`Database`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use jiff::civil::date;
/// use tollgate_quota::usage::{RollUp, UsageField, UsageLayer, UsageQuery};
/// use tollgate_sql::{Database, SqlUsage};
///
/// # let dir = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}/tollgate.db", dir.path().display()).into();
/// let database = Database::open(&url).await?;
/// let usage = RollUp::new(SqlUsage::new(database));
/// let layer = UsageLayer::new(usage.clone());
///
/// let november = UsageQuery::new(date(2026, 11, 1), date(2026, 11, 30)).by(UsageField::Team);
/// assert!(usage.query(november).await?.is_empty());
/// usage.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SqlUsage {
    database: Database,
}

impl SqlUsage {
    /// In this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }
}

impl UsageStore for SqlUsage {
    fn add(&self, batch: Arc<UsageBatch>) -> Storing<()> {
        let database = self.database.clone();
        Box::pin(async move {
            let added = database.within(add(&database, &batch)).await;
            added.map_err(UsageError::new)
        })
    }

    fn query(&self, query: UsageQuery) -> Storing<Vec<UsageRow>> {
        let database = self.database.clone();
        Box::pin(async move {
            let rows = database.within(select(&database, &query)).await;
            rows.map_err(UsageError::new)
        })
    }
}

/// A batch and the fact that it was added are committed together: one whose commit went unheard is not added again.
async fn add(database: &Database, batch: &UsageBatch) -> Result<(), SqlError> {
    let upsert = upsert();
    transact!(database, |tx| {
        let now = tx.now().await?;
        sqlx::query("DELETE FROM tollgate_usage_batch WHERE seen_at < $1")
            .bind(now.saturating_sub(REPORTER_IS_GONE))
            .execute(&mut *tx)
            .await?;
        let turn = sqlx::query(TURN)
            .bind(hex::encode(batch.reporter.to_be_bytes()))
            .bind(stored(batch.number))
            .bind(now)
            .execute(&mut *tx)
            .await?;
        if turn.rows_affected() == 0 {
            return Ok(()); // it is there
        }
        for rows in batch.rows.chunks(ROWS) {
            let mut query = QueryBuilder::new(INSERT);
            query.push_values(rows, |mut row, (key, sums)| {
                row.push_bind(key.day.to_string());
                for name in names(key) {
                    row.push_bind(name);
                }
                for sum in values(sums) {
                    row.push_bind(stored(sum));
                }
            });
            query.push(&upsert).build().execute(&mut *tx).await?;
        }
    });
    Ok(())
}

async fn select(database: &Database, query: &UsageQuery) -> Result<Vec<UsageRow>, SqlError> {
    let sql = select_text(query);
    let fields = query.group_by.len();
    let mut rows = Vec::new();
    read!(database, |connection| {
        let mut select = sqlx::query(AssertSqlSafe(sql))
            .bind(query.from.to_string())
            .bind(query.to.to_string())
            .bind(i64::from(query.limit));
        for (_, value) in &query.filters {
            select = select.bind(value.clone());
        }
        for row in select.fetch_all(&mut *connection).await? {
            let by = query.group_by.iter().enumerate();
            let by = by.map(|(at, field)| Ok((*field, row.try_get(at)?)));
            let mut sums = [0; SUMS.len()];
            for (at, sum) in sums.iter_mut().enumerate() {
                let (high, low): (Option<i64>, Option<i64>) = (
                    row.try_get(fields + 2 * at)?,
                    row.try_get(fields + 2 * at + 1)?,
                );
                *sum = joined(high.unwrap_or(0), low.unwrap_or(0));
            }
            rows.push(UsageRow {
                by: by.collect::<sqlx::Result<_>>()?,
                sums: from_values(sums),
            });
        }
    });
    Ok(rows)
}

/// The text is made of the names of columns alone.
fn select_text(query: &UsageQuery) -> String {
    let mut select: Vec<String> = query.group_by.iter().map(|it| column(*it).into()).collect();
    // The sum of a column may pass what an integer holds, which is an error; the sum of its parts does not.
    select.extend(SUMS.iter().map(|sum| {
        format!("CAST(SUM({sum} / {PART}) AS BIGINT), CAST(SUM({sum} % {PART}) AS BIGINT)")
    }));
    let mut text = format!(
        "SELECT {} FROM tollgate_usage WHERE day >= $1 AND day <= $2",
        select.join(", ")
    );
    for (number, (field, _)) in (4..).zip(&query.filters) {
        let _ = write!(text, " AND {} = ${number}", column(*field));
    }
    if query.group_by.is_empty() {
        text.push_str(" HAVING COUNT(*) > 0");
    } else {
        let by = query.group_by.iter().map(|field| column(*field));
        let by = by.collect::<Vec<_>>().join(", ");
        let _ = write!(text, " GROUP BY {by} ORDER BY {by}");
    }
    text + " LIMIT $3"
}

/// Adds, and stops at the most that can be held: SQLite would go on in floating point.
fn upsert() -> String {
    let set = SUMS.map(|sum| {
        let (known, more) = (format!("tollgate_usage.{sum}"), format!("excluded.{sum}"));
        let most = i64::MAX;
        format!("{sum} = CASE WHEN {known} > {most} - {more} THEN {most} ELSE {known} + {more} END")
    });
    let key = "day, for_org, for_team, for_user, for_key, model, provider, served";
    format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "))
}

const fn column(field: UsageField) -> &'static str {
    match field {
        UsageField::Day => "day",
        UsageField::Org => "for_org",
        UsageField::Team => "for_team",
        UsageField::User => "for_user",
        UsageField::Key => "for_key",
        UsageField::Model => "model",
        UsageField::Provider => "provider",
        UsageField::Served => "served",
    }
}

fn names(key: &UsageKey) -> [String; 7] {
    [
        UsageField::Org,
        UsageField::Team,
        UsageField::User,
        UsageField::Key,
        UsageField::Model,
        UsageField::Provider,
        UsageField::Served,
    ]
    .map(|field| key.field(field))
}

/// In the order of [`SUMS`].
const fn values(sums: &UsageSums) -> [u64; SUMS.len()] {
    [
        sums.requests,
        sums.failed,
        sums.input,
        sums.cache_read,
        sums.cache_write,
        sums.output,
        sums.reasoning,
        sums.cost_nanos,
        sums.unpriced,
        sums.estimated,
    ]
}

const fn from_values(values: [u64; SUMS.len()]) -> UsageSums {
    let [
        requests,
        failed,
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        cost_nanos,
        unpriced,
        estimated,
    ] = values;
    UsageSums {
        requests,
        failed,
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        cost_nanos,
        unpriced,
        estimated,
    }
}

fn stored(sum: u64) -> i64 {
    i64::try_from(sum).unwrap_or(i64::MAX)
}

fn joined(high: i64, low: i64) -> u64 {
    let part = |sum| u64::try_from(sum).unwrap_or(0);
    part(high).saturating_mul(PART).saturating_add(part(low))
}

const SUMS: [&str; 10] = [
    "requests",
    "failed",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "cost_nanos",
    "unpriced",
    "estimated",
];

const INSERT: &str = "INSERT INTO tollgate_usage (day, for_org, for_team, for_user, for_key, model,
    provider, served, requests, failed, input, cache_read, cache_write, output, reasoning,
    cost_nanos, unpriced, estimated) ";

const TURN: &str = "INSERT INTO tollgate_usage_batch (reporter, number, seen_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (reporter) DO UPDATE SET number = excluded.number, seen_at = excluded.seen_at
    WHERE tollgate_usage_batch.number < excluded.number";

/// A statement has 32,766 parameters at most in SQLite, and each row takes 18.
const ROWS: usize = 500;
const PART: u64 = 1_000_000_000;
/// 30 days: no batch is tried again for so long.
const REPORTER_IS_GONE: i64 = 30 * 24 * 60 * 60 * 1_000;
