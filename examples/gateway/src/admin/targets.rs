use axum::{Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tollgate::quota::QuotaLayer;

/// The targets that hard budgets do not pay for, since they have billed more than their bound. By the layer that holds money.
#[derive(Clone, Debug)]
pub(crate) struct TargetDesk(pub(crate) QuotaLayer);

impl TargetDesk {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/targets/blocked", get(blocked).delete(unblock))
            .with_state(self.0)
    }
}

async fn blocked(State(spending): State<QuotaLayer>) -> axum::Json<Value> {
    let blocked = spending.blocked();
    let blocked: Vec<&str> = blocked.iter().map(|name| &**name).collect();
    axum::Json(json!({ "blocked": blocked }))
}

async fn unblock(State(spending): State<QuotaLayer>) -> StatusCode {
    tracing::info!("an operator lets blocked targets serve again");
    spending.unblock();
    StatusCode::NO_CONTENT
}
