use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate::{
    core::fact::Dollars,
    sql::{SqlAuthority, SqlError},
};

use super::{
    page::{read_body, time},
    problem::Problem,
};

/// Budgets as the database has them, for operators: what is granted, and what has to be stated anew after a loss.
#[derive(Clone, Debug)]
pub(crate) struct BudgetDesk(pub(crate) SqlAuthority);

impl BudgetDesk {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/budgets", get(list))
            .route("/budgets/restate", post(restate))
            .with_state(self.0)
    }
}

/// Which budgets are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// How their names begin.
    #[serde(default)]
    prefix: String,
    /// The last name that is known already.
    after: Option<String>,
    #[serde(default = "usual_page")]
    limit: u32,
}

async fn list(
    State(authority): State<SqlAuthority>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<Value>, Problem> {
    let after = asked.after.as_deref();
    let limit = asked.limit.min(MOST);
    let windows = authority.statement(&asked.prefix, after, limit).await;
    let windows = windows.map_err(unavailable)?;
    let rows = windows.into_iter().map(|window| {
        json!({
            "account": window.account,
            "window": window.number,
            "limit_usd": window.limit.map(dollars),
            "granted_usd": dollars(window.granted),
            "starts_at": time(window.starts_at),
            "ends_at": (window.ends_at < i64::MAX).then(|| time(window.ends_at)),
            "closed": window.closed,
        })
    });
    let rows: Vec<_> = rows.collect();
    Ok(axum::Json(json!({ "object": "list", "data": rows })))
}

/// What an operator states after a database was restored: what an account of the list had spent, or that all others had
/// spent nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    account: Option<String>,
    spent_usd: Option<Dollars>,
    #[serde(default)]
    others_spent_nothing: bool,
}

async fn restate(
    State(authority): State<SqlAuthority>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let statement: Statement = read_body(&body)?;
    match (statement.account, statement.spent_usd) {
        (None, None) if statement.others_spent_nothing => {
            authority.restate_unknown().await.map_err(unavailable)?;
        }
        (Some(account), Some(spent)) if !statement.others_spent_nothing => {
            let spent = i64::try_from(spent.nanos())
                .map_err(|_| Problem::malformed("`spent_usd` is too large"))?;
            if !authority
                .restate(&account, spent)
                .await
                .map_err(unavailable)?
            {
                let why = "there is nothing to state of this account";
                return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", why));
            }
        }
        _ => {
            let why = "state an `account` and its `spent_usd`, or `others_spent_nothing`";
            return Err(Problem::malformed(why));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn unavailable(error: SqlError) -> Problem {
    tracing::warn!(
        error = crate::chain(&error),
        "budgets cannot be read or written"
    );
    let why = "budgets cannot be read or written now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "budgets_unavailable", why)
}

fn dollars(nanos: i64) -> String {
    Dollars::from_nanos(u64::try_from(nanos).unwrap_or(0)).to_string()
}

const fn usual_page() -> u32 {
    100
}

const MOST: u32 = 1_000;
