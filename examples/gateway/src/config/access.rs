use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tollgate::auth::Algorithm;

use super::{ConfigError, expand};

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

impl Auth {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let say = |what: String| Err(ConfigError::Invalid(what));
        if let Some(pepper) = &self.pepper
            && pepper.expose_secret().len() < SHORTEST_SECRET
        {
            return say(format!(
                "`auth.pepper` is shorter than {SHORTEST_SECRET} characters"
            ));
        }
        for issuer in &self.issuers {
            let name = &issuer.issuer;
            if issuer.jwks_url.is_some() && issuer.jwks_file.is_some() {
                return say(format!(
                    "the issuer `{name}` has both `jwks_url` and `jwks_file`"
                ));
            }
            if issuer.leeway > MOST_LEEWAY {
                return say(format!(
                    "the issuer `{name}` has a `leeway` of more than 10 minutes: expired tokens would go on"
                ));
            }
        }
        Ok(())
    }
}

/// Checks what is sent in a header, which takes visible ASCII only, and must not be guessed. The message begins with `name`.
pub(super) fn check_secret(name: &str, secret: &SecretString) -> Result<(), ConfigError> {
    let secret = secret.expose_secret();
    let what = if secret.len() < SHORTEST_SECRET {
        format!("{name} is shorter than {SHORTEST_SECRET} characters")
    } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        format!("{name} has spaces or other characters that cannot be sent in a header")
    } else {
        return Ok(());
    };
    Err(ConfigError::Invalid(what))
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

const SHORTEST_SECRET: usize = 16;
const MOST_LEEWAY: Duration = Duration::from_secs(10 * 60);

const fn leeway() -> Duration {
    Duration::from_secs(60)
}
