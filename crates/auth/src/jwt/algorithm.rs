use jsonwebtoken::Algorithm as Signature;
use serde::{Deserialize, Serialize};

/// How an issuer signs its tokens. Nothing that shares a secret is among them, and no `none`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, with SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, with SHA-512.
    Rs512,
    /// RSA, PSS, with SHA-256.
    Ps256,
    /// RSA, PSS, with SHA-384.
    Ps384,
    /// RSA, PSS, with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The algorithm of exactly this name in a header or a key.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            ("RS256", Self::Rs256),
            ("RS384", Self::Rs384),
            ("RS512", Self::Rs512),
            ("PS256", Self::Ps256),
            ("PS384", Self::Ps384),
            ("PS512", Self::Ps512),
            ("ES256", Self::Es256),
            ("ES384", Self::Es384),
            ("EdDSA", Self::EdDsa),
        ];
        all.into_iter()
            .find_map(|(known, algorithm)| (known == name).then_some(algorithm))
    }

    /// The same in the words of whoever checks signatures.
    pub(crate) const fn signature(self) -> Signature {
        match self {
            Self::Rs256 => Signature::RS256,
            Self::Rs384 => Signature::RS384,
            Self::Rs512 => Signature::RS512,
            Self::Ps256 => Signature::PS256,
            Self::Ps384 => Signature::PS384,
            Self::Ps512 => Signature::PS512,
            Self::Es256 => Signature::ES256,
            Self::Es384 => Signature::ES384,
            Self::EdDsa => Signature::EdDSA,
        }
    }
}
