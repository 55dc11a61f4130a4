use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body::{Body, Frame};
use tokio::time::Instant;
use tollgate_core::Trail;

use crate::{
    answer::{Answer, Freshness},
    key::Key,
    recorded::Recorded,
    storable::{declared_length, freshness, has_failed, kept},
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
        let length = declared_length(&head.headers);
        let recording = match (fresh, length) {
            (Some(fresh), Ok(declared)) if self.has_room(declared.or(body.size_hint().exact())) => {
                Some(Recording {
                    headers: kept(&head.headers),
                    slot: self,
                    fresh,
                    declared,
                    joined: Vec::new(),
                    frames: Vec::new(),
                    length: 0,
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
    headers: HeaderMap,
    fresh: Freshness,
    declared: Option<u64>,
    joined: Vec<u8>,
    frames: Vec<Bytes>,
    length: usize,
}

impl Recording {
    /// Takes a frame down; says whether the answer can still be kept.
    pub(crate) fn push<E>(&mut self, frame: &Result<Frame<Bytes>, E>) -> bool {
        // Trailers are part of an answer, and a replay has none.
        let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) else {
            return false;
        };
        self.length = self.length.saturating_add(data.len());
        if self.length > self.slot.store.policy.max_entry {
            return false;
        }
        self.frames.push(data.clone());
        if self.frames.len() >= MOST_FRAMES {
            self.join();
        }
        true
    }

    /// The body has ended well.
    pub(crate) fn keep(self) {
        let complete = self
            .declared
            .is_none_or(|length| length == self.length as u64);
        if !complete || has_failed(&self.slot.trail.glance()) {
            return;
        }
        let frames = self.frames.iter().map(Bytes::as_ref);
        let body = std::iter::once(&*self.joined).chain(frames);
        let answer = Answer::new(&self.headers, body, self.fresh, Instant::now());
        self.slot.store.put(self.slot.key, answer);
    }

    /// Many tiny frames take far more than their bytes.
    fn join(&mut self) {
        for frame in self.frames.drain(..) {
            self.joined.extend_from_slice(&frame);
        }
    }
}

/// Bounds what many tiny frames take beside their bytes.
const MOST_FRAMES: usize = 256;
