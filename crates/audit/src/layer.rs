use std::fmt;

use bytes::Bytes;
use http::{request, response};
use http_body::Frame;
use tollgate_core::{Admission, Gate, GateLayer, GateService, Never, Observer, Outcome};
use tower_layer::Layer;

use crate::{Log, draft::Draft, log::Slot};

/// Writes one [`Record`](crate::Record) of each request to a [`Log`], whatever becomes of it.
///
/// What layers further in answer themselves is recorded like any answer. A request that cannot be recorded is refused
/// before anything is done for it, unless the log [fails open](Log::fail_open).
#[derive(Clone, Debug)]
pub struct AuditLayer {
    log: Log,
}

impl AuditLayer {
    /// A layer that writes to `log`.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self { log }
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = GateService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.clone()).layer(inner)
    }
}

impl Gate for AuditLayer {
    type Observer = Option<AuditObserver>; // none if it passes unrecorded
    type Later = Never<Self::Observer>; // decides at once

    fn admit(&self, mut parts: request::Parts) -> Admission<Self::Observer, Self::Later> {
        Admission::Now(self.log.reserve().map(|slot| {
            let observer = slot.map(|slot| AuditObserver {
                draft: Box::new(Draft::new(&mut parts)),
                slot,
            });
            (parts, observer)
        }))
    }
}

/// The observer of an [`AuditLayer`].
pub struct AuditObserver {
    // Boxed: it is large, and rides in an answer that is moved through the layers around it.
    draft: Box<Draft>,
    slot: Slot,
}

impl Observer for AuditObserver {
    fn answered(&mut self, head: &mut response::Parts) {
        self.draft.answered(head);
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if frame.is_data() {
            self.draft.data();
        }
    }

    fn ended(mut self, outcome: Outcome) {
        self.draft.ended(outcome);
        self.slot.fill(*self.draft);
    }
}

impl fmt::Debug for AuditObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditObserver").finish_non_exhaustive()
    }
}
