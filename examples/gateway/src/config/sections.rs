use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytesize::ByteSize;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tollgate::{
    auth::{ApiKeys, KeyDigest},
    core::fact::{Allotment, Clearance, Permissions, Principal, Scope, Terms},
};

use super::{ConfigError, Tls, expand};

/// Where and how to serve.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) workers: usize,
    pub(crate) max_body: ByteSize,
    #[serde(with = "humantime_serde")]
    pub(crate) body_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) header_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
    /// Whose `Forwarded` and `X-Forwarded-For` are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) tls: Option<Tls>,
}

impl Server {
    /// Where callers reach it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.listen)
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin: ([127, 0, 0, 1], 8081).into(),
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            max_body: ByteSize::mib(32),
            body_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

/// Who may call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "expand::secret")]
    pub(crate) key: Option<SecretString>,
    pub(crate) key_sha256: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) org: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    pub(crate) models: Option<Vec<String>>,
    /// Patterns of what it may ask for, such as `POST /v1/chat/*`.
    pub(crate) routes: Option<Vec<String>>,
    /// Where it may be used from.
    pub(crate) networks: Option<Vec<IpNet>>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// How much it may use; the default of all keys if nothing is said.
    #[serde(default)]
    pub(crate) quota: Terms,
    pub(crate) classification: Option<Clearance>,
    #[serde(skip)]
    pub(crate) is_fresh: bool,
}

impl Key {
    /// A key made for this run.
    pub(crate) fn fresh() -> Self {
        let mut random = [0; 24];
        getrandom::fill(&mut random).expect("the system has random numbers");
        Self {
            id: "local".into(),
            key: Some(format!("tg-{}", hex::encode(random)).into()),
            key_sha256: None,
            user: None,
            team: None,
            org: None,
            roles: Vec::new(),
            models: None,
            routes: None,
            networks: None,
            tags: Vec::new(),
            quota: Terms::default(),
            classification: None,
            is_fresh: true,
        }
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> Result<KeyDigest, ConfigError> {
        match (&self.key, &self.key_sha256) {
            (Some(key), None) => Ok(ApiKeys::new().digest(key.expose_secret())),
            (None, Some(digest)) => digest.parse().map_err(|_| {
                ConfigError::Invalid(format!(
                    "the key `{}` has a digest that is not SHA-256 in hex",
                    self.id
                ))
            }),
            _ => Err(ConfigError::Invalid(format!(
                "the key `{}` needs either `key` or `key_sha256`",
                self.id
            ))),
        }
    }

    /// What it and those that it belongs to are called.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let above = [&self.user, &self.team, &self.org];
        let lists = self.roles.iter().chain(&self.tags);
        let names = above.into_iter().flatten().chain(lists).chain([&self.id]);
        names.map(String::as_str)
    }

    /// Who holds it.
    pub(crate) fn principal(&self) -> Principal {
        let mut principal =
            Principal::new(&*self.id).with_roles(self.roles.iter().map(String::as_str));
        if let Some(user) = &self.user {
            principal = principal.with_user(&**user);
        }
        if let Some(team) = &self.team {
            principal = principal.with_team(&**team);
        }
        if let Some(org) = &self.org {
            principal = principal.with_org(&**org);
        }
        if let Some(classification) = self.classification {
            principal = principal.with_clearance(classification);
        }
        if !self.quota.is_empty() {
            principal = principal.with_allotment(Allotment {
                scope: Scope::Key,
                account: self.id.as_str().into(),
                terms: Arc::new(self.quota.clone()),
            });
        }
        principal
            .with_tags(self.tags.iter().map(String::as_str))
            .with_permissions(Permissions {
                models: self.models.clone(),
                routes: self.routes.clone(),
                networks: self.networks.clone(),
            })
    }
}

/// Which answers are kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    #[serde(with = "humantime_serde")]
    pub(crate) ttl: Duration,
    pub(crate) max_bytes: ByteSize,
    pub(crate) max_entry: ByteSize,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            max_bytes: ByteSize::mib(64),
            max_entry: ByteSize::mib(1),
        }
    }
}

/// How requests for embeddings go together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Batch {
    #[serde(with = "humantime_serde")]
    pub(crate) window: Duration,
    pub(crate) max_items: std::num::NonZeroUsize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            window: Duration::from_millis(5),
            max_items: const { std::num::NonZeroUsize::new(256).expect("it is not zero") },
        }
    }
}

/// When a failing target is left alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Breaker {
    pub(crate) consecutive_failures: std::num::NonZeroU32,
    pub(crate) failure_rate: f64,
    #[serde(with = "humantime_serde")]
    pub(crate) wait: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            consecutive_failures: const { std::num::NonZeroU32::new(5).expect("five is not zero") },
            failure_rate: 0.5,
            wait: Duration::from_secs(5),
        }
    }
}

/// How often a request is tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Balance {
    pub(crate) attempts: u32,
    pub(crate) retry_ratio: f64,
    pub(crate) retry_reserve: u32,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            attempts: 3,
            retry_ratio: 0.2,
            retry_reserve: 10,
        }
    }
}

/// How long a provider may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeout {
    #[serde(with = "humantime_serde")]
    pub(crate) first_byte: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) idle: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) total: Duration,
}

impl Default for Timeout {
    fn default() -> Self {
        Self {
            // A plain answer has its head when it is whole.
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

/// Where it is written down what happened.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audit {
    pub(crate) path: PathBuf,
    pub(crate) fail_open: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            path: "tollgate-data/audit.jsonl".into(),
            fail_open: false,
        }
    }
}

/// The built-in provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Simulated {
    enabled: bool,
    #[serde(with = "humantime_serde")]
    pub(crate) pace: Duration,
}

impl Simulated {
    pub(crate) const fn is_on(&self) -> bool {
        self.enabled
    }
}

impl Default for Simulated {
    fn default() -> Self {
        Self {
            enabled: false,
            pace: Duration::from_millis(20),
        }
    }
}
