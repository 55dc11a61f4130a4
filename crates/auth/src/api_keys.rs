mod digest;

use std::{fmt, future::Ready, sync::Arc};

use sha2::{Digest, Sha256};
use tollgate_core::fact::Principal;

use crate::{Check, Credential, Pepper, Verdict, Verifier, table::Table};

pub use self::digest::{InvalidDigest, KeyDigest};

/// The keys that are known, each by its digest only.
///
/// Keys are long and random, so that a fast digest is enough; with a [pepper](Self::peppered), who steals the digests
/// cannot even try. All wrong keys cost the same work and get the same answer. Clones share the keys, and a clone that
/// is added to leaves the others as they were: a new set can take the place of an old one as a whole.
///
/// ```
/// use tollgate_auth::ApiKeys;
/// use tollgate_core::fact::Principal;
///
/// let keys = ApiKeys::peppered("from the operator's vault")
///     .with_key("tg-3f9a…", Principal::new("ci").with_team("platform"));
/// assert_eq!(format!("{keys:?}"), "ApiKeys { keys: 1, peppered: true }");
/// ```
#[derive(Clone, Default)]
pub struct ApiKeys {
    pepper: Option<Pepper>,
    known: Arc<Table>,
}

impl ApiKeys {
    /// No keys; digests are SHA-256.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No keys; digests are HMAC-SHA-256 with a secret that is kept elsewhere than the digests.
    #[must_use]
    pub fn peppered(secret: impl AsRef<[u8]>) -> Self {
        Self {
            pepper: Some(Pepper::new(secret)),
            ..Self::default()
        }
    }

    /// Adds a key, in the place of an equal one. Only its digest is kept.
    #[must_use]
    pub fn with_key(self, key: impl AsRef<str>, principal: Principal) -> Self {
        let digest = self.digest(key.as_ref());
        self.with_digest(digest, principal)
    }

    /// Adds a key by its digest, in the place of an equal one.
    #[must_use]
    pub fn with_digest(mut self, digest: impl Into<KeyDigest>, principal: Principal) -> Self {
        Arc::make_mut(&mut self.known).insert(digest.into(), principal, i64::MAX);
        self
    }

    /// The digest of a key, to be stored and given to [`with_digest`](Self::with_digest).
    #[must_use]
    pub fn digest(&self, key: &str) -> KeyDigest {
        match &self.pepper {
            Some(pepper) => pepper.digest(key),
            None => <[u8; 32]>::from(Sha256::digest(key)).into(),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Verifier for ApiKeys {
    type Later = Ready<Verdict>; // decides at once

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        let digest = self.digest(credential.secret());
        let known = self.known.get(&digest);
        Check::Now(known.map(|(principal, _)| principal.clone()).into())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("keys", &self.len())
            .field("peppered", &self.pepper.is_some())
            .finish()
    }
}
