use tollgate_quota::bank::books::NO_LIMIT;

use super::SqlAuthority;
use crate::{SqlError, database::read};

/// The last window of an account, for operators.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WindowStatement {
    /// Whose it is.
    pub account: String,
    /// Ascends with the windows of an account.
    pub number: u64,
    /// The most that may be granted, in nano-dollars. A strict budget's account has none between two of its windows.
    pub limit: Option<i64>,
    /// What is granted: spent, or held by somebody.
    pub granted: i64,
    /// In milliseconds since 1970.
    pub starts_at: i64,
    /// In milliseconds since 1970; `i64::MAX` if it does not end.
    pub ends_at: i64,
    /// It was open when memory was lost, and it has not been stated what was spent.
    pub closed: bool,
}

impl SqlAuthority {
    /// The last windows of those accounts that begin with a text, in their order, after an account if one is given.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn statement(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<WindowStatement>, SqlError> {
        let rows = self.database.within(async {
            let rows: Vec<(String, i64, i64, i64, i64, i64, bool)> =
                read!(self.database, |connection| {
                    sqlx::query_as(STATEMENT)
                        .bind(prefix)
                        .bind(after)
                        .bind(i64::from(limit))
                        .fetch_all(&mut *connection)
                        .await?
                });
            Ok(rows)
        });
        let window = |(account, number, limit, granted, starts_at, ends_at, closed)| {
            Ok(WindowStatement {
                account,
                number: u64::try_from(number).map_err(|_| SqlError::Spoilt("a window"))?,
                limit: Some(limit).filter(|limit| *limit != NO_LIMIT),
                granted,
                starts_at,
                ends_at,
                closed,
            })
        };
        rows.await?.into_iter().map(window).collect()
    }
}

const STATEMENT: &str =
    "SELECT it.account, it.number, it.spend_limit, it.granted, it.starts_at, it.ends_at,
        it.number <= lost_at AND lost_at < it.ends_at AND stated < lost_at
    FROM tollgate_budget
    JOIN tollgate_window AS it ON it.account = tollgate_budget.account
    CROSS JOIN tollgate_origin
    WHERE SUBSTR(it.account, 1, LENGTH($1)) = $1
        AND (CAST($2 AS TEXT) IS NULL OR it.account > $2)
        AND it.number = (SELECT MAX(number) FROM tollgate_window WHERE account = it.account)
    ORDER BY it.account LIMIT $3";
