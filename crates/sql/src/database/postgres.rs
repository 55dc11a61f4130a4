use std::str::FromStr;

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{DEADLINE, Dialect, Written};
use crate::SqlError;

/// Connections that are made when they are needed.
pub(super) fn pool(url: &str) -> Result<PgPool, SqlError> {
    // The error of a parser could quote what it parses.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| SqlError::Address("the address of Postgres cannot be read"))?
        .application_name("tollgate")
        .disable_statement_logging();
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(DEADLINE)
        .connect_lazy_with(options))
}

/// Finds out whether the server can be reached: a pool tries again and again, and keeps to itself why.
pub(super) async fn reach(pool: &PgPool) -> Result<(), SqlError> {
    let options = pool.connect_options();
    let connected = timeout(DEADLINE, options.connect()).await;
    let connection = connected.map_err(|_| SqlError::Late(DEADLINE))??;
    // Whether it heard that we leave does not matter.
    let _ = timeout(DEADLINE, connection.close()).await;
    Ok(())
}

impl Dialect for PgConnection {
    async fn lock_tables(&mut self) -> sqlx::Result<()> {
        sqlx::query("SELECT pg_advisory_xact_lock(8389754676633367397)")
            .execute(&mut *self)
            .await?;
        // To set up a large table may take longer than a call.
        sqlx::query("SET LOCAL statement_timeout = '60s'")
            .execute(self)
            .await?;
        Ok(())
    }

    async fn now(&mut self) -> sqlx::Result<i64> {
        // Not `now()`: that is when the transaction began, before it waited for a lock.
        let now = "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)";
        sqlx::query_scalar(now).fetch_one(self).await
    }

    async fn announce(&mut self) -> sqlx::Result<()> {
        let notify = "SELECT pg_notify($1, '')";
        sqlx::query(notify).bind(CHANNEL).execute(self).await?;
        Ok(())
    }

    async fn origin(&mut self) -> sqlx::Result<String> {
        // The cluster, its timeline, the database and a table: another one after a failover, a recovery to a point in
        // time, a copy, and a dump that was read in. The last checkpoint would show a new timeline too late.
        let origin = "SELECT CONCAT('postgres:', system_identifier, ':',
                SUBSTRING(pg_walfile_name(pg_current_wal_lsn()) FOR 8), ':',
                (SELECT oid FROM pg_database WHERE datname = CURRENT_DATABASE()), ':',
                CAST(CAST('tollgate_budget' AS regclass) AS oid))
            FROM pg_control_system()";
        sqlx::query_scalar(origin).fetch_one(self).await
    }

    async fn written_origin(&mut self) -> sqlx::Result<Written> {
        // A row that is written with each decision would let all accounts wait for each other.
        let read = "SELECT id, origin, decided, lost_at, rest_stated FROM tollgate_origin";
        let row: (String, String, i64, i64, i64) = sqlx::query_as(read).fetch_one(self).await?;
        Ok(row.into())
    }
}

/// The commit of a grant has to be on the disk, whatever the server's default. A process that is stopped in the middle
/// must not lock others out.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL synchronous_commit = on;
    SET LOCAL statement_timeout = '5s';
    SET LOCAL idle_in_transaction_session_timeout = '5s'";

pub(crate) const CHANNEL: &str = "tollgate_keys";
const CONNECTIONS: u32 = 8;
