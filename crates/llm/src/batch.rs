mod answer;
mod fields;
mod input;
mod key;

use bytes::Bytes;
use http::{
    Method,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
    request, response,
};
use tollgate_core::{Batch, Digest, fact::Principal};

use self::{fields::Fields, input::Kind};

pub use self::input::Embeddings;

/// How requests to OpenAI's `/v1/embeddings` go together in a [`BatchLayer`](tollgate_core::BatchLayer): many texts in
/// one request cost a provider little more than one.
///
/// Those go together that belong to the same tenant, have the same [`Target`](tollgate_core::fact::Target), path and
/// query, and the same headers and fields of the body, byte for byte, but for `input` itself and headers that say nothing
/// about the answer. `input` is a text, texts, tokens or lists of tokens; texts and tokens do not mix. Inputs and vectors
/// are passed on as they stand.
///
/// A request without a [`Principal`], one with more than 2048 inputs, and a body that is compressed, or is not a JSON
/// object with each field once, goes alone: its answer is the provider's.
///
/// What the answer's `usage` says is shared out like the batch's usage: by the length of the texts, or by the tokens.
///
/// ```
/// use tollgate_core::BatchLayer;
/// use tollgate_llm::EmbeddingsBatch;
///
/// let layer = BatchLayer::new(EmbeddingsBatch::new()).max_items(128);
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingsBatch {
    across_tenants: bool,
}

impl EmbeddingsBatch {
    /// Batches within each tenant.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            across_tenants: false,
        }
    }

    /// Batches the requests of all tenants together, also of those without a principal. The provider then sees the inputs
    /// of several tenants in one request, which has no principal and none of
    /// the callers' credentials; how long a request takes may tell a caller that others came.
    #[must_use]
    pub const fn across_tenants(self) -> Self {
        Self {
            across_tenants: true,
        }
    }
}

impl Batch for EmbeddingsBatch {
    type Key = Digest;
    type Member = Embeddings;

    fn read(&self, parts: &request::Parts, body: &Bytes) -> Option<(Digest, Embeddings)> {
        if parts.uri.path() != "/v1/embeddings"
            || parts.method != Method::POST
            || parts.headers.contains_key(CONTENT_ENCODING)
        {
            return None;
        }
        let tenant = match parts.extensions.get::<Principal>() {
            _ if self.across_tenants => None,
            principal => Some(principal?.tenant()),
        };
        let fields = Fields::read(body)?;
        let member = Embeddings::read(body, fields.get("input")?)?;
        let tokens = member.kind() == Kind::Tokens;
        Some((key::of(tenant, parts, &fields, tokens), member))
    }

    fn items(&self, member: &Embeddings) -> usize {
        member.count()
    }

    fn weight(&self, member: &Embeddings) -> u64 {
        member.weight()
    }

    fn join(&self, mut head: request::Parts, members: &[Embeddings]) -> (request::Parts, Bytes) {
        if self.across_tenants {
            head.extensions.remove::<Principal>();
            for name in key::CREDENTIALS {
                head.headers.remove(name);
            }
        }
        head.headers.remove(ACCEPT_ENCODING); // The answer is to be taken apart.
        (head, input::join(members))
    }

    fn split(
        &self,
        head: &response::Parts,
        body: &Bytes,
        members: &[Embeddings],
    ) -> Option<Vec<Bytes>> {
        let is_json = head.headers.get(CONTENT_TYPE).is_none_or(|value| {
            value
                .as_bytes()
                .to_ascii_lowercase()
                .starts_with(b"application/json")
        });
        if !is_json || head.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        answer::split(body, members)
    }
}
