use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use tollgate::auth::Algorithm;

use super::expand;

/// How callers are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// Lets callers in that show no key; on loopback only.
    pub(crate) anonymous: bool,
    /// What digests of keys in the database are made with; all replicas need the same.
    #[serde(deserialize_with = "expand::secret")]
    pub(crate) pepper: Option<SecretString>,
    /// How long known keys go on while the database is away.
    #[serde(with = "humantime_serde")]
    pub(crate) max_stale: Duration,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) certificates: Option<Certificates>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            anonymous: false,
            pepper: None,
            max_stale: Duration::from_secs(15 * 60),
            issuers: Vec::new(),
            certificates: None,
        }
    }
}

/// Whose tokens are believed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    /// What it is called in the names of its callers, as in `corp:alice`.
    pub(crate) name: Option<String>,
    pub(crate) audience: OneOrMany,
    #[serde(default = "usual_algorithms")]
    pub(crate) algorithms: Vec<Algorithm>,
    /// Where its keys are; found by OpenID Connect discovery if this is absent.
    pub(crate) jwks_url: Option<String>,
    /// A file with its keys, for who does not want to ask for them.
    pub(crate) jwks_file: Option<PathBuf>,
    /// Which claim says what.
    #[serde(default)]
    pub(crate) claims: Claims,
    #[serde(default = "leeway", with = "humantime_serde")]
    pub(crate) leeway: Duration,
    /// Whether tokens without `nbf` are believed.
    #[serde(default)]
    pub(crate) without_nbf: bool,
}

/// The names of claims; one within an object is a JSON pointer, such as `/realm_access/roles`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Claims {
    pub(crate) key: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) org: Option<String>,
    pub(crate) roles: Option<String>,
    pub(crate) tags: Option<String>,
    pub(crate) models: Option<String>,
}

/// One, or a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Who is who by a client's certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificates {
    /// What names the caller.
    pub(crate) identity: CertificateName,
    pub(crate) team: Option<String>,
    pub(crate) org: Option<String>,
}

/// A name in a certificate.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateName {
    CommonName,
    Dns,
    Uri,
}

/// How connections of callers are encrypted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A PEM file with the server's certificates.
    pub(crate) cert: PathBuf,
    /// A PEM file with its private key.
    pub(crate) key: PathBuf,
    /// A PEM file of authorities whose clients are known by their certificates.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Who may change keys and see what was spent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    /// What operators send as `Authorization: Bearer`.
    #[serde(deserialize_with = "expand::secret")]
    pub(crate) token: Option<SecretString>,
}

fn usual_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::Rs256, Algorithm::Es256]
}

const fn leeway() -> Duration {
    Duration::from_secs(60)
}
