use std::{error::Error, fmt, pin::Pin, time::Duration};

use bytes::Bytes;
use http::StatusCode;

/// Whom to ask for an issuer's keys, when they do not come over HTTP.
///
/// It is asked once at a time, by whom needs the keys, and at most twice a minute; an answer that takes longer than 5 s is
/// none.
pub trait KeySource: Send + Sync + 'static {
    /// Reads the keys.
    fn fetch(&self) -> FetchFuture;
}

/// The answer of a [`KeySource`].
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send>>;

/// An issuer's keys as they came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The text of a JWK set.
    pub json: Bytes,
    /// How long it is good, if that was said. It is kept at least a minute and at most an hour.
    pub max_age: Option<Duration>,
}

/// Why an issuer's keys could not be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// What came is no JWK set, or no discovery document.
    Malformed,
    /// The discovery document is another issuer's.
    OtherIssuer,
    /// The server answered with this status.
    Status(StatusCode),
    /// It took too long.
    Timeout,
    /// The answer is too long.
    TooLarge,
    /// The server could not be asked.
    Unreachable(Box<dyn Error + Send + Sync>),
    /// The discovery document names an address that keys may not come from.
    Url,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the answer is malformed"),
            Self::OtherIssuer => f.write_str("the discovery document is another issuer's"),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::Timeout => f.write_str("the answer takes too long"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::Unreachable(_) => f.write_str("the server cannot be asked"),
            Self::Url => f.write_str("the keys' address is not allowed"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(&**error),
            _ => None,
        }
    }
}
