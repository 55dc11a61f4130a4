use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

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

    pub(crate) fn router(self) -> Router {
        let metrics = self.metrics;
        let draining = self.draining;
        Router::new()
            .route("/metrics", get(async move || metrics.render()))
            .route("/healthz", get(async || "ok\n"))
            .route(
                "/readyz",
                get(async move || match draining.load(Relaxed) {
                    true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
                    false => (StatusCode::OK, "ok\n"),
                }),
            )
    }
}

const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];
