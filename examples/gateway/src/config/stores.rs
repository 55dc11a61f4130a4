use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{ConfigError, expand};

/// Where keys, budgets and usage are kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// `sqlite://path`, or `postgres://user@host/name`.
    #[serde(deserialize_with = "expand::needed_secret")]
    pub(crate) url: SecretString,
    /// Whether a standby that takes over has all that was committed.
    #[serde(default)]
    pub(crate) promotion_is_synchronous: bool,
}

impl Database {
    /// The embedded one, in a file.
    pub(crate) fn in_file(path: &str) -> Self {
        Self {
            url: format!("sqlite://{path}").into(),
            promotion_is_synchronous: false,
        }
    }

    /// Whether it is a file of this machine's.
    pub(crate) fn is_embedded(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }

    /// Where the embedded one is.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let path = self.url.expose_secret().strip_prefix("sqlite://")?;
        Some(path.into())
    }

    /// What kind it is, without what is secret.
    pub(crate) fn kind(&self) -> String {
        match self.url.expose_secret().split_once("://") {
            Some(("sqlite", path)) => format!("SQLite in {path}"),
            _ => "Postgres".into(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let url = self.url.expose_secret();
        let rule = match url.split_once("://") {
            // Neither is a file; and a query would be a part of its name.
            Some(("sqlite", path))
                if path.is_empty() || path.starts_with(':') || path.contains('?') =>
            {
                "`database.url` names a file for SQLite, without a query: `sqlite://path/to/file`"
            }
            Some(("sqlite" | "postgres" | "postgresql", _)) => return Ok(()),
            _ => {
                "`database.url` is `sqlite://path/to/file` or `postgres://user:password@host/name`"
            }
        };
        Err(ConfigError::Invalid(rule.into()))
    }
}

/// Where replicas share their rates, and lend each other of their budgets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    /// `redis://host:port/db`, or `rediss://` over TLS.
    #[serde(deserialize_with = "expand::needed_secret")]
    pub(crate) url: SecretString,
    /// Whether it is a Redis Cluster.
    #[serde(default)]
    pub(crate) cluster: bool,
    /// A PEM file of authorities that are trusted beside the web's.
    pub(crate) ca: Option<PathBuf>,
    #[serde(default = "deadline", with = "humantime_serde")]
    pub(crate) deadline: Duration,
    /// What its keys begin with.
    #[serde(default = "prefix")]
    pub(crate) prefix: String,
    /// Whether each replica takes rates ahead, so that a decision needs no round trip.
    #[serde(default)]
    pub(crate) leases: bool,
}

impl Redis {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let url = self.url.expose_secret();
        let rule = if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            "`redis.url` is `redis://host:port` or `rediss://host:port`"
        } else if self.ca.is_some() && !url.starts_with("rediss://") {
            "`redis.ca` needs a URL of rediss"
        } else if self.deadline.is_zero() {
            "`redis.deadline` must be longer than nothing"
        } else {
            return Ok(());
        };
        Err(ConfigError::Invalid(rule.into()))
    }
}

const fn deadline() -> Duration {
    Duration::from_millis(50)
}

fn prefix() -> String {
    "tollgate".into()
}
