use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Response};
use http_body::{Body, Frame};
use tokio::time::Instant;
use tollgate_core::Trail;

use crate::{
    answer::{Draft, Freshness},
    key::Key,
    recorded::Recorded,
    storable::{declared_length, freshness, has_failed},
    store::Store,
};

/// A place for an answer that is not known yet. Dropped, nothing is kept.
pub(crate) struct Slot {
    pub(crate) key: Key,
    pub(crate) store: Arc<Store>,
    pub(crate) vary: Arc<[HeaderName]>,
    /// Whether strangers share what will be kept.
    pub(crate) anonymous: bool,
    pub(crate) trail: Trail,
}

impl Slot {
    /// Lets an answer pass, and records it if it may be kept.
    pub(crate) fn record<B: Body>(self, response: Response<B>) -> Response<Recorded<B>> {
        let (head, body) = response.into_parts();
        let fresh = freshness(&head, &self.store.policy, &self.vary, self.anonymous);
        let declared = declared_length(&head.headers);
        let recording = match (fresh, declared) {
            (Some(fresh), Ok(declared)) => {
                let length = declared.or(body.size_hint().exact());
                self.has_room(length).then(|| {
                    let length = length.and_then(|length| usize::try_from(length).ok());
                    Recording {
                        draft: Draft::new(&head.headers, length.unwrap_or(0)),
                        slot: self,
                        fresh,
                        declared,
                    }
                })
            }
            _ => None,
        };
        Response::from_parts(head, Recorded::new(body, recording))
    }

    fn has_room(&self, length: Option<u64>) -> bool {
        length.is_none_or(|length| length <= self.store.policy.max_entry as u64)
    }
}

/// An answer as far as it has come.
pub(crate) struct Recording {
    slot: Slot,
    draft: Draft,
    fresh: Freshness,
    declared: Option<u64>,
}

impl Recording {
    /// Takes a frame down; says whether the answer can still be kept.
    pub(crate) fn push<E>(&mut self, frame: &Result<Frame<Bytes>, E>) -> bool {
        // Trailers are part of an answer, and a replay has none.
        let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) else {
            return false;
        };
        let room = self.slot.store.policy.max_entry - self.draft.length();
        if data.len() > room {
            return false;
        }
        self.draft.push(data);
        true
    }

    /// The body has ended well.
    pub(crate) fn keep(self) {
        let length = self.draft.length() as u64;
        let complete = self.declared.is_none_or(|declared| declared == length);
        if !complete || has_failed(&self.slot.trail.glance()) {
            return;
        }
        let answer = self.draft.finish(self.fresh, Instant::now());
        self.slot.store.put(self.slot.key, answer);
    }
}
