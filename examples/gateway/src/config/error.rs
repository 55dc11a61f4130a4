use std::{io, path::PathBuf};

use thiserror::Error;
use tollgate::{core::BoxError, llm::EndpointError};

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    #[error("{path}: {mistake}", path = .0.display(), mistake = .1)]
    Parse(PathBuf, Mistake),
    #[error("the provider `{0}` cannot be used")]
    Endpoint(String, #[source] EndpointError),
    #[error("the provider `{0}` cannot be used, with {path} as its `ca`", path = .1.display())]
    Ca(String, PathBuf, #[source] BoxError),
    #[error("{0}")]
    Invalid(String),
}

/// What cannot be read, and where. It does not show the line, which may hold a secret.
#[derive(Debug, Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct Mistake {
    line: usize,
    column: usize,
    message: String,
}

impl Mistake {
    pub(super) fn new(error: &toml::de::Error, text: &str) -> Self {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text.as_bytes()[..start];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = start
            - before
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |at| at + 1)
            + 1;
        Self {
            line,
            column,
            message: without_values(error.message()),
        }
    }
}

/// Serde quotes a value that does not fit; names stand between backticks and stay.
fn without_values(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}\"…\"{}", &message[..first], &message[last + 1..])
        }
        _ => message.to_owned(),
    }
}
