mod budgets;
mod guard;
mod keys;
mod page;
mod problem;
mod targets;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::RawQuery,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::{ExposeSecret, SecretString};
use tollgate::{
    auth::{ApiKeys, AuthLayer, KeyRing},
    core::fact::Principal,
    quota::usage::RollUp,
};

use self::problem::Problem;
use crate::usage;

pub(crate) use self::{budgets::BudgetDesk, keys::KeyDesk, targets::TargetDesk};

/// What operators ask: metrics, and whether the gateway lives and takes requests.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    metrics: PrometheusHandle,
    draining: Arc<AtomicBool>,
}

impl Admin {
    /// Installs the recorder of metrics; before the layers that use it are made.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
            .install_recorder()?;
        tollgate::observe::describe();
        Ok(Self {
            metrics,
            draining: Arc::default(),
        })
    }

    /// From now on the gateway is not ready for new connections.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Keeps histograms small while nobody asks for them.
    pub(crate) async fn upkeep(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.metrics.run_upkeep();
        }
    }

    /// Everything for operators; the API by a token, if there is one. A ring knows how the database is.
    pub(crate) fn router(
        self,
        api: Router,
        token: Option<&SecretString>,
        ring: Option<KeyRing>,
    ) -> Router {
        let metrics = self.metrics;
        let draining = self.draining;
        let api = api.layer(axum::middleware::from_fn(guard::no_pages));
        let api = match token {
            None => api.layer(axum::middleware::from_fn(guard::by_address)),
            Some(token) => {
                let operator = Principal::new("operator");
                let keys = ApiKeys::new().with_key(token.expose_secret(), operator);
                api.layer(AuthLayer::new(keys).realm("tollgate operators"))
            }
        };
        Router::new()
            .nest("/api", api)
            .route("/metrics", get(async move || metrics.render()))
            .route("/healthz", get(async || "ok\n"))
            .route(
                "/readyz",
                get(async move || match &ring {
                    _ if draining.load(Relaxed) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
                    // Who needs no database is served; and without it no other gateway would be ready, either.
                    Some(ring) if !ring.status().reachable => {
                        (StatusCode::OK, "ok, but the database is away\n")
                    }
                    _ => (StatusCode::OK, "ok\n"),
                }),
            )
    }
}

/// What operators can do besides looking on.
pub(crate) fn api(
    keys: Option<KeyDesk>,
    budgets: Option<BudgetDesk>,
    targets: TargetDesk,
    usage: RollUp,
) -> Router {
    let read = async move |RawQuery(query): RawQuery| {
        let query = usage::parse(&query.unwrap_or_default());
        match usage::read(&usage, query).await {
            Ok(text) => ([(header::CONTENT_TYPE, JSON)], text).into_response(),
            Err(it) => Problem::new(it.status(), it.code(), it.message()).into_response(),
        }
    };
    let nothing = match keys {
        Some(_) => "there is nothing here",
        None => "there is nothing here: keys and groups need a [database]",
    };
    let nothing = async move || Problem::new(StatusCode::NOT_FOUND, "not_found", nothing);
    let router = Router::new().route("/usage", get(read)).fallback(nothing);
    let router = router.merge(targets.router());
    let router = match budgets {
        Some(budgets) => router.merge(budgets.router()),
        None => router,
    };
    match keys {
        Some(keys) => router.merge(keys.router()),
        None => router,
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];
