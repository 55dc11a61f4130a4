use super::{Database, transact};
use crate::SqlError;

/// Brings the tables up to date, forward only.
pub(super) async fn run(database: &Database) -> Result<(), SqlError> {
    transact!(database, |tx| {
        tx.lock_tables().await?;
        sqlx::query(CREATE).execute(&mut *tx).await?;
        let done: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM tollgate_migration")
                .fetch_one(&mut *tx)
                .await?;
        let done = usize::try_from(done).map_err(|_| SqlError::Newer)?;
        let left = MIGRATIONS.get(done..).ok_or(SqlError::Newer)?;
        for (number, migration) in (done as i64 + 1..).zip(left) {
            sqlx::raw_sql(*migration).execute(&mut *tx).await?;
            let now = tx.now().await?;
            sqlx::query("INSERT INTO tollgate_migration (number, run_at) VALUES ($1, $2)")
                .bind(number)
                .bind(now)
                .execute(&mut *tx)
                .await?;
        }
    });
    Ok(())
}

/// In order. One that was released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/1_budgets.sql"),
    include_str!("../migrations/2_usage.sql"),
    include_str!("../migrations/3_keys.sql"),
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tollgate_migration (
    number BIGINT PRIMARY KEY,
    run_at BIGINT NOT NULL
)";
