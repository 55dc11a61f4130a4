//! Anthropic's dialect as AWS Bedrock wraps it: what is asked and said is the same, and how it travels is not.

mod body;
mod credentials;
mod error;
mod event;
mod frames;
mod sign;
mod stream;

pub use self::credentials::AwsCredentials;
pub(crate) use self::{
    body::{betas, wrap},
    error::unwrap_error,
    sign::Signer,
    stream::EventStream,
};

/// Its form of Anthropic's requests.
pub(crate) const VERSION: &str = "bedrock-2023-05-31";
/// The type of its streams.
pub(crate) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
