use super::Endpoint;
use crate::{Dialect, dialect::Api};

impl Endpoint {
    /// In which form a request is asked for here; nothing if its dialect has no such thing.
    pub(in crate::upstream) const fn form(&self, front: Api, streams: bool) -> Option<Api> {
        Some(match (self.dialect, front) {
            (_, Api::Models(_)) => return None,
            // Bedrock counts for some models only, and in a form of its own.
            (_, Api::CountTokens | Api::CountContents) if self.is_bedrock() => return None,
            (Dialect::OpenAi, Api::Responses) if self.responses => Api::Responses,
            (Dialect::OpenAi, Api::Chat | Api::Completions | Api::Embeddings)
            | (Dialect::Anthropic, Api::Messages | Api::CountTokens)
            | (
                Dialect::Gemini,
                Api::Generate | Api::CountContents | Api::Embed | Api::BatchEmbed,
            ) => front,
            (Dialect::OpenAi, Api::Embed | Api::BatchEmbed) => Api::Embeddings,
            (Dialect::Gemini, Api::Embeddings) => Api::BatchEmbed,
            (Dialect::Anthropic, Api::CountContents) => Api::CountTokens,
            (Dialect::Gemini, Api::CountTokens) => Api::CountContents,
            (Dialect::OpenAi, Api::CountTokens | Api::CountContents)
            | (Dialect::Anthropic, Api::Embeddings | Api::Embed | Api::BatchEmbed) => return None,
            (Dialect::OpenAi, _) => Api::Chat,
            (Dialect::Anthropic, _) => Api::Messages,
            // An array cannot be metered as it comes; the caller gets one all the same.
            (Dialect::Gemini, _) if streams => Api::StreamGenerate { array: false },
            (Dialect::Gemini, _) => Api::Generate,
        })
    }
}
