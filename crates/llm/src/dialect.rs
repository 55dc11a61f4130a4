use std::ops::Range;

use http::{HeaderName, Method, request::Parts};
use serde::{Deserialize, Serialize};
use tollgate_core::fact::Operation;

/// A provider's way of speaking HTTP and JSON.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's, and that of the many servers compatible with it.
    #[default]
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Dialect {
    /// The dialect of a request, by its path and headers; OpenAI's where they do not tell.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        Api::of(parts).map_or_else(|| Self::by_headers(parts), Api::dialect)
    }

    /// The dialect that the SDKs' own headers belong to.
    fn by_headers(parts: &Parts) -> Self {
        if parts.headers.contains_key(ANTHROPIC_VERSION) {
            Self::Anthropic
        } else if parts.headers.contains_key(GOOGLE_KEY) || parts.uri.path().starts_with(BETA) {
            Self::Gemini
        } else {
            Self::OpenAi
        }
    }

    /// Its name, such as `openai`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's older completions of a text.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// How long they are, in Anthropic's tokens.
    CountTokens,
    /// Gemini's answers, whole.
    Generate,
    /// Gemini's answers as they come.
    StreamGenerate {
        /// As one JSON array, and not as events.
        array: bool,
    },
    /// How long contents are, in Gemini's tokens.
    CountContents,
    /// Gemini's embedding of one content.
    Embed,
    /// Gemini's embeddings of several.
    BatchEmbed,
    /// Which models there are, in a dialect.
    Models(Dialect),
}

impl Api {
    /// What a request's path stands for.
    pub(crate) fn of(parts: &Parts) -> Option<Self> {
        let path = parts.uri.path();
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/messages" => Self::Messages,
            "/v1/responses" => Self::Responses,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/completions" => Self::Completions,
            "/v1/messages/count_tokens" => Self::CountTokens,
            _ => {
                let (beta, rest) = match path.strip_prefix(BETA) {
                    Some(rest) => (true, rest),
                    None => (false, path.strip_prefix("/v1/")?),
                };
                if rest == "models" {
                    return Some(Self::Models(Dialect::by_headers(parts)));
                }
                let name = rest.strip_prefix("models/").filter(|it| !it.is_empty())?;
                match name.rsplit_once(':').filter(|(model, _)| !model.is_empty()) {
                    Some((_, "generateContent")) => Self::Generate,
                    Some((_, "streamGenerateContent")) => Self::StreamGenerate {
                        array: !asks_for_events(parts.uri.query()),
                    },
                    Some((_, "countTokens")) => Self::CountContents,
                    Some((_, "embedContent")) => Self::Embed,
                    Some((_, "batchEmbedContents")) => Self::BatchEmbed,
                    _ if beta => Self::Models(Dialect::Gemini),
                    _ => Self::Models(Dialect::by_headers(parts)),
                }
            }
        })
    }

    /// Whether a request in one form can go on as it is in the other.
    #[cfg(feature = "upstream")]
    pub(crate) fn is_like(self, other: Self) -> bool {
        use std::mem::discriminant;
        discriminant(&self) == discriminant(&other)
    }

    /// The method that it takes.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Models(_) => Method::GET,
            _ => Method::POST,
        }
    }

    pub(crate) const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Completions | Self::Responses | Self::Embeddings => Dialect::OpenAi,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate
            | Self::StreamGenerate { .. }
            | Self::CountContents
            | Self::Embed
            | Self::BatchEmbed => Dialect::Gemini,
            Self::Models(dialect) => dialect,
        }
    }

    pub(crate) const fn operation(self) -> Operation {
        match self {
            Self::Completions => Operation::TextCompletion,
            Self::Embeddings | Self::Embed | Self::BatchEmbed => Operation::Embeddings,
            Self::CountTokens | Self::CountContents => Operation::CountTokens,
            Self::Models(_) => Operation::Models,
            Self::Chat
            | Self::Responses
            | Self::Messages
            | Self::Generate
            | Self::StreamGenerate { .. } => Operation::Chat,
        }
    }

    /// Whether its answers are a model's own words, whose number can be limited.
    #[cfg(feature = "upstream")]
    pub(crate) const fn gives_text(self) -> bool {
        matches!(
            self.operation(),
            Operation::Chat | Operation::TextCompletion
        )
    }

    /// Whether its answers are vectors.
    #[cfg(feature = "upstream")]
    pub(crate) const fn gives_vectors(self) -> bool {
        matches!(self.operation(), Operation::Embeddings)
    }

    /// Its path behind a base URL, for a model.
    #[cfg(feature = "upstream")]
    pub(crate) fn path_of(self, model: &impl std::fmt::Display) -> std::borrow::Cow<'static, str> {
        let verb = match self {
            Self::Chat => return "/chat/completions".into(),
            Self::Completions => return "/completions".into(),
            Self::Responses => return "/responses".into(),
            Self::Embeddings => return "/embeddings".into(),
            Self::Messages => return "/messages".into(),
            Self::CountTokens => return "/messages/count_tokens".into(),
            Self::Models(_) => return "/models".into(),
            Self::Generate => "generateContent",
            Self::StreamGenerate { .. } => "streamGenerateContent?alt=sse",
            Self::CountContents => "countTokens",
            Self::Embed => "embedContent",
            Self::BatchEmbed => "batchEmbedContents",
        };
        format!("/models/{model}:{verb}").into()
    }

    /// Whether the model's name stands in the path, as with Gemini.
    pub(crate) const fn names_model_in_path(self) -> bool {
        matches!(self.dialect(), Dialect::Gemini)
    }
}

/// Where in a path of Gemini's dialect the model's name stands.
pub(crate) fn model_in(path: &str) -> Option<Range<usize>> {
    let start = path.find("/models/")? + "/models/".len();
    let end = path.rfind(':').filter(|&end| end > start);
    Some(start..end.unwrap_or(path.len()))
}

fn asks_for_events(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
}

const BETA: &str = "/v1beta/";
pub(crate) const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub(crate) const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{Api, Dialect, model_in};

    #[test]
    fn the_path_tells_what_is_asked() {
        for (path, header, expected) in [
            ("/v1/chat/completions", None, Some(Api::Chat)),
            ("/v1/messages/count_tokens", None, Some(Api::CountTokens)),
            ("/v1/models", None, Some(Api::Models(Dialect::OpenAi))),
            (
                "/v1/models",
                Some("anthropic-version"),
                Some(Api::Models(Dialect::Anthropic)),
            ),
            (
                "/v1/models",
                Some("x-goog-api-key"),
                Some(Api::Models(Dialect::Gemini)),
            ),
            ("/v1/models/a/b", None, Some(Api::Models(Dialect::OpenAi))),
            ("/v1beta/models", None, Some(Api::Models(Dialect::Gemini))),
            ("/v1beta/models/g", None, Some(Api::Models(Dialect::Gemini))),
            ("/v1/models/g:generateContent", None, Some(Api::Generate)),
            (
                "/v1beta/models/g:streamGenerateContent?x=1&alt=sse",
                None,
                Some(Api::StreamGenerate { array: false }),
            ),
            (
                "/v1beta/models/g:streamGenerateContent",
                None,
                Some(Api::StreamGenerate { array: true }),
            ),
            (
                "/v1/models/ft:gpt:a",
                None,
                Some(Api::Models(Dialect::OpenAi)),
            ),
            ("/v1/models/", None, None),
            ("/v2/models", None, None),
            ("/", None, None),
        ] {
            let mut request = Request::get(path);
            if let Some(name) = header {
                request = request.header(name, "x");
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(Api::of(&parts), expected, "{path}");
        }
    }

    #[test]
    fn geminis_model_stands_in_the_path() {
        let path = "/v1beta/models/a:b:generateContent";
        assert_eq!(&path[model_in(path).unwrap()], "a:b");
    }
}
