use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

/// A key for each of two ways to sign, `ec` and `ed`.
pub(crate) struct Signer {
    p256: KeyPair,
    ed25519: KeyPair,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let pair = |kind| KeyPair::generate_for(kind).expect("there is randomness");
        Self {
            p256: pair(&PKCS_ECDSA_P256_SHA256),
            ed25519: pair(&PKCS_ED25519),
        }
    }

    /// The public keys.
    pub(crate) fn jwks(&self) -> Value {
        let point = &self.p256.public_key_raw()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let ed = encode(self.ed25519.public_key_raw());
        json!({ "keys": [
            { "kid": "ec", "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) },
            { "kid": "ed", "kty": "OKP", "crv": "Ed25519", "x": ed },
        ] })
    }

    pub(crate) fn es256(&self, claims: &Value) -> String {
        self.es256_by("ec", claims)
    }

    /// A token that says it is signed with the key of this name.
    pub(crate) fn es256_by(&self, kid: &str, claims: &Value) -> String {
        let key = EncodingKey::from_ec_der(&self.p256.serialize_der());
        let header = json!({ "alg": "ES256", "kid": kid, "typ": "JWT" });
        sign(Algorithm::ES256, &key, &header, claims)
    }

    pub(crate) fn eddsa(&self, claims: &Value) -> String {
        let key = EncodingKey::from_ed_der(&self.ed25519.serialize_der());
        let header = json!({ "alg": "EdDSA", "kid": "ed", "typ": "JWT" });
        sign(Algorithm::EdDSA, &key, &header, claims)
    }

    /// A token that takes the public key for a shared secret.
    pub(crate) fn hs256(&self, claims: &Value) -> String {
        let key = EncodingKey::from_secret(self.p256.public_key_raw());
        let header = json!({ "alg": "HS256", "kid": "ec", "typ": "JWT" });
        sign(Algorithm::HS256, &key, &header, claims)
    }

    /// A token that nobody has signed.
    pub(crate) fn unsigned(claims: &Value) -> String {
        let header = json!({ "alg": "none", "kid": "ec", "typ": "JWT" });
        format!("{}.", message(&header, claims))
    }
}

fn sign(algorithm: Algorithm, key: &EncodingKey, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let signature = crypto::sign(message.as_bytes(), key, algorithm).expect("the key fits");
    format!("{message}.{signature}")
}

fn message(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
