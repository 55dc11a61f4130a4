use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::jwt::Algorithm;

/// A public key of an issuer's, and the one algorithm that it is for.
pub(crate) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    material: Material,
    decoding: DecodingKey,
}

impl Key {
    /// The keys of a JWK set (RFC 7517, 5) that fit one of an issuer's algorithms; others are passed over.
    ///
    /// [`None`] when it is no JWK set, or one of too many keys.
    pub(super) fn all(json: &[u8], algorithms: &[Algorithm]) -> Option<Vec<Self>> {
        let set: JwkSet<'_> = serde_json::from_slice(json).ok()?;
        let keys = set.keys.iter().map(|key| Self::of(key.get(), algorithms));
        (set.keys.len() <= MOST).then(|| keys.flatten().collect())
    }

    fn of(json: &str, algorithms: &[Algorithm]) -> Option<Self> {
        let jwk: Jwk = serde_json::from_str(json).ok()?;
        let material = jwk.material()?;
        let mut fitting = algorithms.iter().copied().filter(|it| material.fits(*it));
        let algorithm = match &jwk.alg {
            Some(name) => {
                let named = Algorithm::named(name)?;
                fitting.find(|algorithm| *algorithm == named)
            }
            None => fitting.next(),
        }?;
        Some(Self {
            kid: jwk.kid,
            algorithm,
            decoding: material.decoding(),
            material,
        })
    }

    /// Whether a signature (in base64url) of this message was made by the holder of the key.
    pub(crate) fn has_signed(&self, message: &str, signature: &str) -> bool {
        let algorithm = self.algorithm.signature();
        crypto::verify(signature, message.as_bytes(), &self.decoding, algorithm).unwrap_or(false)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.kid, self.algorithm, &self.material)
            == (&other.kid, other.algorithm, &other.material)
    }
}

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

impl Jwk {
    fn material(&self) -> Option<Material> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let verifies = self
            .key_ops
            .as_ref()
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        // A private key that is published is everybody's.
        if !signs || !verifies || self.d.is_some() {
            return None;
        }
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => Material::Rsa {
                n: number(self.n.as_deref()?)?,
                e: number(self.e.as_deref()?)?,
            },
            ("EC", Some("P-256")) => Material::P256(self.point()?),
            ("EC", Some("P-384")) => Material::P384(self.point()?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(self.x.as_deref()?)?),
            _ => return None,
        };
        material.is_strong().then_some(material)
    }

    /// A point of a curve, uncompressed (SEC 1, 2.3.3).
    fn point(&self) -> Option<Vec<u8>> {
        let (x, y) = (bytes(self.x.as_deref()?)?, bytes(self.y.as_deref()?)?);
        (x.len() == y.len()).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
    }
}

#[derive(Eq, PartialEq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    fn is_strong(&self) -> bool {
        match self {
            // 2048 to 8192 bits; an exponent that is odd, above one, and no burden.
            Self::Rsa { n, e } => {
                let top = n.first().is_some_and(|top| *top >= 0x80);
                let bits = (257..=1024).contains(&n.len()) || n.len() == 256 && top;
                let odd = e.last().is_some_and(|last| last % 2 == 1);
                bits && odd && e.as_slice() != [1] && e.len() <= 4
            }
            Self::P256(point) => point.len() == 65,
            Self::P384(point) => point.len() == 97,
            Self::Ed25519(point) => point.len() == 32,
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa { .. } => {
                matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512)
            }
            Self::P256(_) => algorithm == Es256,
            Self::P384(_) => algorithm == Es384,
            Self::Ed25519(_) => algorithm == EdDsa,
        }
    }

    fn decoding(&self) -> DecodingKey {
        match self {
            Self::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Self::P256(point) | Self::P384(point) => DecodingKey::from_ec_der(point),
            Self::Ed25519(point) => DecodingKey::from_ed_der(point),
        }
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A number without the zeros that some write before it.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.get(zeros..)?.to_vec())
}

/// No issuer has as many keys at once.
const MOST: usize = 64;
