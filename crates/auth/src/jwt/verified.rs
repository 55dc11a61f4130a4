use std::sync::Arc;

use arc_swap::ArcSwapOption;
use sha2::{Digest, Sha256};
use tollgate_core::fact::Principal;

use super::{Algorithm, lifetime::Span};
use crate::jwks::Key;

/// Tokens whose signatures were right, so that each need not be checked again at every request.
///
/// A table of fixed size, in which a token's place follows from its digest and a later one takes the place of an
/// earlier one. Only who holds tokens that are good can fill it.
pub(super) struct Verified {
    places: Box<[ArcSwapOption<Entry>]>,
}

/// What a token said, by the digest of all of it.
pub(super) struct Entry {
    pub(super) digest: [u8; 32],
    /// The number of the issuer.
    pub(super) issuer: usize,
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) key: Arc<Key>,
    pub(super) span: Span,
    pub(super) principal: Principal,
}

impl Verified {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: (0..places).map(|_| ArcSwapOption::empty()).collect(),
        }
    }

    /// The digest of a whole token: half of one might be somebody else's.
    pub(super) fn digest(token: &str) -> [u8; 32] {
        Sha256::digest(token).into()
    }

    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<Arc<Entry>> {
        let entry = self.place(digest)?.load_full()?;
        (entry.digest == *digest).then_some(entry)
    }

    pub(super) fn keep(&self, entry: Entry) {
        if let Some(place) = self.place(&entry.digest) {
            place.store(Some(Arc::new(entry)));
        }
    }

    fn place(&self, digest: &[u8; 32]) -> Option<&ArcSwapOption<Entry>> {
        let [a, b, c, d, ..] = *digest;
        let number = u32::from_le_bytes([a, b, c, d]) as usize;
        self.places.get(number.checked_rem(self.places.len())?)
    }
}
