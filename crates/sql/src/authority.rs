mod book;
mod origin;
mod rows;
mod statement;

use std::{fmt, sync::Arc};

use tollgate_quota::bank::{Answer, Answering, Authority, BankError, Message, Order};

pub use self::statement::WindowStatement;
use self::{
    book::Memory,
    origin::remember,
    rows::{ASKERS, LOCK, PUT_ASKER, PUT_WINDOW, WINDOWS},
};
use crate::{
    Database, SqlError,
    database::{Written, transact},
};

/// The authority over budgets in a [`Database`]: what it has committed it does not forget.
///
/// It notices when its memory is older than what it has granted: a file of SQLite that was copied, or a backup of it that
/// was read in; a Postgres whose standby took over, or that was recovered from an archive or a dump. Then the windows of
/// that time are closed, with an error for whoever asks, until [`restate`](Self::restate) says what was spent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tollgate_quota::Bank;
/// use tollgate_sql::{Database, SqlAuthority};
///
/// # let dir = tempfile::tempdir()?;
/// # let url = format!("sqlite://{}/tollgate.db", dir.path().display()).into();
/// let database = Database::open(&url).await?;
/// let bank = Bank::new(SqlAuthority::new(database));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SqlAuthority {
    database: Database,
    promotion_is_synchronous: bool,
    clock: Option<Arc<dyn Fn() -> i64 + Send + Sync>>,
}

impl SqlAuthority {
    /// In this database.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self {
            database,
            promotion_is_synchronous: false,
            clock: None,
        }
    }

    /// Says that a standby of this Postgres is promoted only if it has all that was committed, so that another timeline of
    /// the same cluster is the same memory. It holds with synchronous replication, and never after a recovery to a point
    /// in time.
    #[must_use]
    pub const fn promotion_is_synchronous(mut self) -> Self {
        self.promotion_is_synchronous = true;
        self
    }

    /// Asks this for the time, in milliseconds since 1970, in the place of the database's clock; for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// States, after a loss of memory, how much of an account's running window is spent or may still be: by the
    /// provider's own figure, with what others hold that have not been restarted since. The account's window opens with
    /// that. Returns whether there was something to state.
    ///
    /// # Errors
    /// When the database does not answer, or the amount is negative.
    pub async fn restate(&self, account: &str, spent: i64) -> Result<bool, SqlError> {
        if spent < 0 {
            return Err(SqlError::Negative);
        }
        let stated = self.database.within(async {
            let (memory, stated) = transact!(self.database, |tx| {
                let memory = remember!(self, tx);
                sqlx::query(LOCK).bind(account).execute(&mut *tx).await?;
                let stated = sqlx::query(STATE)
                    .bind(account)
                    .bind(memory.lost_at)
                    .bind(spent)
                    .execute(&mut *tx)
                    .await?;
                (memory, stated.rows_affected() > 0)
            });
            self.mark(&memory);
            Ok(stated)
        });
        stated.await
    }

    /// States, after a loss of memory, that accounts that are unknown had spent nothing: that none was lost. Otherwise a
    /// new budget in total stays closed, for nobody knows that it is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn restate_unknown(&self) -> Result<(), SqlError> {
        let stated = self.database.within(async {
            let memory = transact!(self.database, |tx| {
                let memory = remember!(self, tx);
                sqlx::query("UPDATE tollgate_origin SET rest_stated = lost_at")
                    .execute(&mut *tx)
                    .await?;
                memory
            });
            self.mark(&memory);
            Ok(())
        });
        stated.await
    }

    /// Decides and records in one transaction, with the account locked. What it decides is a pure function of the rows.
    async fn decide(&self, message: &Message<Order>) -> Result<Answer, SqlError> {
        let Ok(number) = i64::try_from(message.number) else {
            return Ok(Answer::Old);
        };
        let account = &*message.account;
        let asker = rows::asker_text(message.asker);
        let (memory, answer) = transact!(self.database, |tx| {
            let memory = remember!(self, tx);
            let locked: rows::Locked = sqlx::query_as(LOCK)
                .bind(account)
                .fetch_one(&mut *tx)
                .await?;
            let clock = match &self.clock {
                Some(clock) => clock(),
                None => tx.now().await?,
            };
            let windows: Vec<rows::WindowTuple> = sqlx::query_as(WINDOWS)
                .bind(account)
                .fetch_all(&mut *tx)
                .await?;
            let askers: Vec<rows::AskerTuple> = sqlx::query_as(ASKERS)
                .bind(account)
                .bind(&asker)
                .bind(clock.max(locked.0).saturating_sub(RECENT))
                .fetch_all(&mut *tx)
                .await?;
            let windows = rows::windows(windows)?;
            let known = Memory::new(memory.lost_at, memory.rest_stated, locked);
            let mut book = rows::book(&known, windows.clone(), askers, message, clock)?;
            let told = book.askers.get(&message.asker).cloned();
            let answer = book.decide(message, clock).map_err(SqlError::Calendar)?;

            sqlx::query("UPDATE tollgate_budget SET clock_floor = $2 WHERE account = $1")
                .bind(account)
                .bind(book.clock_floor)
                .execute(&mut *tx)
                .await?;
            for window in rows::changed(&windows, &book) {
                sqlx::query(PUT_WINDOW)
                    .bind(account)
                    .bind(rows::signed(window.number)?)
                    .bind(window.limit)
                    .bind(window.granted)
                    .bind(window.starts_at)
                    .bind(window.ends_at)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(first) = rows::first_after_a_turn(&windows, &book)? {
                sqlx::query("DELETE FROM tollgate_window WHERE account = $1 AND number < $2")
                    .bind(account)
                    .bind(first)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(row) = book.askers.get(&message.asker)
                && told.as_ref() != Some(row)
            {
                if number == 1 {
                    sqlx::query("DELETE FROM tollgate_asker WHERE account = $1 AND asked_at < $2")
                        .bind(account)
                        .bind(book.clock_floor.saturating_sub(ASKER_IS_GONE))
                        .execute(&mut *tx)
                        .await?;
                }
                sqlx::query(PUT_ASKER)
                    .bind(account)
                    .bind(&asker)
                    .bind(number)
                    .bind(rows::answer_text(&row.answer)?)
                    .bind(rows::signed(row.first)?)
                    .bind(rows::signed(row.last)?)
                    .bind(row.asked_at)
                    .execute(&mut *tx)
                    .await?;
            }
            (memory, answer)
        });
        self.mark(&memory);
        Ok(answer)
    }

    /// Writes beside a file of SQLite what was just committed.
    fn mark(&self, memory: &Written) {
        if let Some(mark) = self.database.mark()
            && let Err(error) = mark.write(&memory.id, memory.decided)
        {
            tracing::warn!(%error, "the mark beside the database cannot be written");
        }
    }
}

impl Authority for SqlAuthority {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let authority = self.clone();
        Box::pin(async move {
            let decided = authority.database.within(authority.decide(&message)).await;
            decided.map_err(BankError::new)
        })
    }
}

impl fmt::Debug for SqlAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlAuthority")
            .field("database", &self.database)
            .field("promotion_is_synchronous", &self.promotion_is_synchronous)
            .finish_non_exhaustive()
    }
}

/// Unless nothing was lost, or the account's window was opened since.
const STATE: &str = "UPDATE tollgate_budget SET stated = $2, stated_spent = $3
    WHERE account = $1 AND $2 > 0 AND NOT EXISTS (
        SELECT 1 FROM tollgate_window WHERE account = $1 AND number > $2)";

/// So long, in milliseconds, an asker is counted as one who wants a share.
const RECENT: i64 = 10_000;

/// 30 days: whoever comes back later is told that it is not known, and begins anew.
const ASKER_IS_GONE: i64 = 30 * 24 * 60 * 60 * 1_000;
