//! Signs tokens, right ones and any others.

use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "llm";

pub(crate) static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
pub(crate) static P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
pub(crate) static P384: LazyLock<Signer> = LazyLock::new(Signer::p384);
pub(crate) static ED25519: LazyLock<Signer> = LazyLock::new(Signer::ed25519);

/// A private key, and the public one as members of a JWK.
pub(crate) struct Signer {
    pub(crate) private: EncodingKey,
    pub(crate) public: Value,
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        // What is signed with is the PKCS #1 within the PKCS #8.
        let private = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
        let public = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
        let public = serde_json::to_value(public).unwrap();
        let public = json!({"kty": "RSA", "n": public["n"], "e": public["e"]});
        Self { private, public }
    }

    pub(crate) fn p256() -> Self {
        Self::ec(
            &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            "P-256",
        )
    }

    fn p384() -> Self {
        Self::ec(
            &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
            "P-384",
        )
    }

    fn ec(pair: &KeyPair, curve: &str) -> Self {
        let point = &pair.public_key_raw()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        Self {
            private: EncodingKey::from_ec_der(&pair.serialize_der()),
            public: json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)}),
        }
    }

    fn ed25519() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let x = encode(pair.public_key_raw());
        Self {
            private: EncodingKey::from_ed_der(&pair.serialize_der()),
            public: json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    /// The public key as a JWK with these members too.
    pub(crate) fn jwk(&self, members: Value) -> Value {
        let mut jwk = self.public.clone();
        let members = members.as_object().unwrap().clone();
        jwk.as_object_mut().unwrap().extend(members);
        jwk
    }

    /// A token of exactly this header and these claims.
    pub(crate) fn token(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        self.sign(algorithm, &format!("{}.{}", encode(header), encode(claims)))
    }

    /// A message with its signature behind it.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &str) -> String {
        let signature = crypto::sign(message.as_bytes(), &self.private, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// The members of an object as they will be written, each by itself, so that any of them can be wrong.
#[derive(Clone)]
pub(crate) struct Object(Vec<(String, String)>);

impl Object {
    pub(crate) fn header(algorithm: &str, kid: &str) -> Self {
        Self(Vec::new())
            .with("alg", &json!(algorithm).to_string())
            .with("kid", &json!(kid).to_string())
            .with("typ", "\"JWT\"")
    }

    /// Claims with which nothing is wrong.
    pub(crate) fn claims() -> Self {
        let now = now();
        Self(Vec::new())
            .with("iss", &json!(ISSUER).to_string())
            .with("aud", &json!(AUDIENCE).to_string())
            .with("sub", "\"alice\"")
            .with("iat", &now.to_string())
            .with("nbf", &now.to_string())
            .with("exp", &(now + 600).to_string())
    }

    /// Adds a member, be there one already.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) fn text(&self) -> String {
        let members = self.0.iter();
        let members: Vec<_> = members
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// A token of the P-256 key called `ec`.
pub(crate) fn token(header: &Object, claims: &Object) -> String {
    P256.token(Algorithm::ES256, &header.text(), &claims.text())
}

pub(crate) fn header() -> Object {
    Object::header("ES256", "ec")
}

pub(crate) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
