mod digest;

use std::{
    collections::HashMap,
    fmt,
    future::Ready,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tollgate_core::fact::Principal;

use crate::{Check, Credential, Verdict, Verifier};

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
    pepper: Option<Hmac<Sha256>>,
    known: Arc<HashMap<KeyDigest, Principal, BuildHasherDefault<AsItIs>>>,
}

impl ApiKeys {
    /// No keys; digests are SHA-256.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No keys; digests are HMAC-SHA-256 with a secret that is kept elsewhere than the digests.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    #[must_use]
    pub fn peppered(secret: impl AsRef<[u8]>) -> Self {
        let pepper = Hmac::new_from_slice(secret.as_ref()).expect("HMAC takes keys of any length");
        Self {
            pepper: Some(pepper),
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
        Arc::make_mut(&mut self.known).insert(digest.into(), principal);
        self
    }

    /// The digest of a key, to be stored and given to [`with_digest`](Self::with_digest).
    #[must_use]
    pub fn digest(&self, key: &str) -> KeyDigest {
        let digest: [u8; 32] = match &self.pepper {
            None => Sha256::digest(key).into(),
            Some(pepper) => {
                let mut mac = pepper.clone();
                mac.update(key.as_bytes());
                mac.finalize().into_bytes().into()
            }
        };
        digest.into()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl Verifier for ApiKeys {
    type Later = Ready<Verdict>; // decides at once

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        let digest = self.digest(credential.secret());
        Check::Now(self.known.get(&digest).cloned().into())
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

/// Digests are as good as random: hashing them again would only cost time.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest hashes itself as one integer")
    }

    fn write_u64(&mut self, prefix: u64) {
        self.0 = prefix;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
