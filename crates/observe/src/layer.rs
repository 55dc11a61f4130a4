use std::{fmt, sync::Arc};

use tower_layer::Layer;

use crate::{ObserveService, meters::Meters};

/// Measures everything below it, refusals and cancellations too, and opens a span for each request.
///
/// The metrics go to the recorder of the `metrics` facade, which must be installed before the first request: what is
/// counted before is lost, and so is what is counted later under the same labels.
#[derive(Clone)]
pub struct ObserveLayer {
    meters: Arc<Meters>,
}

impl ObserveLayer {
    /// A layer for up to 1,000 combinations of operation, model and target.
    #[must_use]
    pub fn new() -> Self {
        Self {
            meters: Arc::new(Meters::new(1000)),
        }
    }

    /// Sets how many combinations of operation, model and target have metrics of their own; those that come later share
    /// the labels `other`. Services that were made before keep theirs.
    #[must_use]
    pub fn max_series(self, most: usize) -> Self {
        Self {
            meters: Arc::new(Meters::new(most)),
        }
    }
}

impl Default for ObserveLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = ObserveService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObserveService::new(inner, Arc::clone(&self.meters))
    }
}

impl fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").finish_non_exhaustive()
    }
}
