use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;
use tollgate_core::{Observer, Outcome};

/// What is known of all targets, by name.
#[derive(Debug, Default)]
pub(crate) struct Statuses(RwLock<HashMap<Arc<str>, Arc<Status>>>);

impl Statuses {
    /// What is known of a target. Beyond so many, a target is new at each request.
    pub(crate) fn of(&self, name: &Arc<str>) -> Arc<Status> {
        let known = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        known.unwrap_or_else(|| {
            let mut statuses = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if statuses.len() >= MOST_STATUSES && !statuses.contains_key(name) {
                return Arc::default();
            }
            Arc::clone(statuses.entry(Arc::clone(name)).or_default())
        })
    }
}

/// What is known of one target.
#[derive(Debug, Default)]
pub(crate) struct Status {
    busy: AtomicUsize,
    out: Mutex<Option<Out>>,
}

/// A target asked not to be called before an instant, with a status that says why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    pub(crate) until: Instant,
    pub(crate) status: StatusCode,
}

impl Status {
    /// How many requests are under way.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// Counts a request in until the guard is dropped.
    pub(crate) fn enter(self: Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        Busy(self)
    }

    /// The target is not to be called for so long. The longest wish holds.
    pub(crate) fn take_out(&self, now: Instant, wait: Duration, status: StatusCode) {
        let Some(until) = now.checked_add(wait) else {
            return;
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.is_none_or(|out| out.until < until) {
            *out = Some(Out { until, status });
        }
    }

    /// Until when the target is not to be called, if that is still to come.
    pub(crate) fn out(&self, now: Instant) -> Option<Out> {
        let out = *self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.filter(|out| out.until > now)
    }
}

/// Counts a request as under way until the body of its answer ends.
#[derive(Debug)]
pub struct Busy(Arc<Status>);

impl Observer for Busy {
    fn ended(self, _: Outcome) {}
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

const MOST_STATUSES: usize = 10_000;
