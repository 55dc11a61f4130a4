use std::{io, path::PathBuf};

use thiserror::Error;
use tollgate::llm::EndpointError;

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    // The text says the line and the column.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Parse(PathBuf, toml::de::Error),
    #[error("the provider `{0}` cannot be used")]
    Endpoint(String, #[source] EndpointError),
    #[error("{0}")]
    Invalid(String),
}
