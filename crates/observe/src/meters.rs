use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, counter, gauge};
use tollgate_core::fact::CacheStatus;

use crate::{
    bounded::Bounded,
    names::{CACHE, IN_FLIGHT},
    series::{Attempts, Labels, OTHER, Series},
};

/// The metrics that all services of a layer write.
pub(crate) struct Meters {
    series: Bounded<Labels, Series>,
    attempts: Bounded<Arc<str>, Attempts>,
    cache: [OnceLock<Counter>; 3],
    in_flight: OnceLock<Gauge>,
}

impl Meters {
    pub(crate) fn new(max_series: usize) -> Self {
        Self {
            series: Bounded::new(max_series),
            attempts: Bounded::new(max_series),
            cache: Default::default(),
            in_flight: OnceLock::new(),
        }
    }

    pub(crate) fn series(&self, labels: Labels) -> Arc<Series> {
        let other = |labels: Labels| Labels {
            model: OTHER.into(),
            target: OTHER.into(),
            ..labels
        };
        self.series.get(labels, other, Series::new)
    }

    pub(crate) fn attempts(&self, target: Arc<str>) -> Arc<Attempts> {
        self.attempts.get(target, |_| OTHER.into(), Attempts::new)
    }

    pub(crate) fn cache(&self, status: CacheStatus) {
        let counter = &self.cache[status as usize];
        counter
            .get_or_init(|| counter!(CACHE, "status" => status.as_str()))
            .increment(1);
    }

    pub(crate) fn in_flight(&self) -> &Gauge {
        self.in_flight.get_or_init(|| gauge!(IN_FLIGHT))
    }
}
