use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use subtle::ConstantTimeEq;

/// The digest of a key: what is stored of it. Written as 64 hexadecimal digits; `Debug` does not show them.
///
/// ```
/// use tollgate_auth::{ApiKeys, KeyDigest};
///
/// let digest = ApiKeys::new().digest("abc");
/// assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// assert_eq!(digest.to_string().parse::<KeyDigest>(), Ok(digest));
/// ```
#[derive(Clone, Copy, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    pub(crate) const ZERO: Self = Self([0; 32]);

    /// As good as random.
    pub(crate) const fn prefix(&self) -> u64 {
        self.words()[0]
    }

    const fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        [
            u64::from_le_bytes(words[0]),
            u64::from_le_bytes(words[1]),
            u64::from_le_bytes(words[2]),
            u64::from_le_bytes(words[3]),
        ]
    }
}

impl From<[u8; 32]> for KeyDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<KeyDigest> for [u8; 32] {
    fn from(digest: KeyDigest) -> Self {
        digest.0
    }
}

impl FromStr for KeyDigest {
    type Err = InvalidDigest;

    fn from_str(digits: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }
}

impl Serialize for KeyDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        digits.parse().map_err(D::Error::custom)
    }
}

/// In constant time, so that how long a look-up takes tells nothing about a digest that is known.
impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        // By words: by bytes takes longer than all the rest of a look-up.
        let pairs = self.words().into_iter().zip(other.words());
        let difference = pairs.fold(0, |difference, (one, other)| difference | (one ^ other));
        difference.ct_eq(&0).into()
    }
}

impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.prefix());
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

/// A text is not the digest of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct InvalidDigest;

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key's digest has 64 hexadecimal digits")
    }
}

impl std::error::Error for InvalidDigest {}
