use http::Method;
use serde::{Deserialize, Serialize};
use tollgate_core::fact::Operation;

/// A provider's way of speaking HTTP and JSON.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's, and that of the many servers compatible with it.
    OpenAi,
}

impl Dialect {
    /// The dialect that a path belongs to.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        path.starts_with("/v1/").then_some(Self::OpenAi)
    }

    /// The operation that a path stands for, and the method that it takes.
    pub(crate) fn operation(self, path: &str) -> Option<(Method, Operation)> {
        let Self::OpenAi = self;
        Some(match path {
            "/v1/chat/completions" => (Method::POST, Operation::Chat),
            "/v1/completions" => (Method::POST, Operation::TextCompletion),
            "/v1/embeddings" => (Method::POST, Operation::Embeddings),
            "/v1/models" => (Method::GET, Operation::Models),
            path if path.starts_with(MODEL) && path.len() > MODEL.len() => {
                (Method::GET, Operation::Models)
            }
            _ => return None,
        })
    }
}

/// Before the name of one model. Names may contain slashes.
pub(crate) const MODEL: &str = "/v1/models/";
