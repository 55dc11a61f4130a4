use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::KeyDigest;

/// A secret that turns keys into digests, by HMAC-SHA-256. It is kept elsewhere than the digests: who steals those cannot
/// even try keys.
///
/// ```
/// use tollgate_auth::Pepper;
///
/// let pepper = Pepper::new("from the operator's vault");
/// assert_eq!(pepper.digest("tg-3f9a…"), pepper.digest("tg-3f9a…"));
/// assert_eq!(format!("{pepper:?}"), "Pepper(..)");
/// ```
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// A pepper of 32 random bytes or more; all replicas have the same.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        let hmac = Hmac::new_from_slice(secret.as_ref()).expect("HMAC takes keys of any length");
        Self(hmac)
    }

    /// The digest of a key. One of at most 55 bytes costs two blocks of SHA-256.
    #[must_use]
    pub fn digest(&self, key: &str) -> KeyDigest {
        let mut mac = self.0.clone();
        mac.update(key.as_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        digest.into()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}
