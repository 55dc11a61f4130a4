use http::{HeaderMap, Method, Uri};

/// What a request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) wire: Wire,
    pub(crate) call: Call,
    /// The model that the path names.
    pub(crate) model: Option<String>,
}

/// In which dialect a request is to be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wire {
    OpenAi,
    /// OpenAI's dialect behind Azure's gateway.
    Azure,
    Anthropic,
    Gemini,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    Models,
    Model,
    Chat,
    Completion,
    Responses,
    Embeddings,
    Messages,
    CountMessages,
    Generate,
    /// A stream, which is a JSON array unless events are asked for.
    Stream {
        events: bool,
    },
    Count,
    Embed,
    EmbedBatch,
    Unknown,
}

impl Route {
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        let route = |wire, call, model: Option<&str>| Self {
            wire,
            call,
            model: model.map(decoded),
        };
        if let Some(rest) = path.strip_prefix("/openai/deployments/") {
            let (deployment, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let versioned = query(uri, "api-version").is_some();
            let call = if versioned {
                openai(method, rest)
            } else {
                Call::Unknown
            };
            return route(Wire::Azure, call, Some(deployment));
        }
        let path = path.strip_prefix("/openai").unwrap_or(path);
        let (version, rest) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path, ""));
        let google = headers.contains_key("x-goog-api-key") || query(uri, "key").is_some();
        if version == "v1beta" || version == "v1" && (google || rest.contains(':')) {
            let Some(named) = rest.strip_prefix("models/") else {
                let call = if rest == "models" && method == Method::GET {
                    Call::Models
                } else {
                    Call::Unknown
                };
                return route(Wire::Gemini, call, None);
            };
            let (model, verb) = named.rsplit_once(':').unwrap_or((named, ""));
            let call = match (method, verb) {
                (&Method::GET, "") => Call::Model,
                (&Method::POST, "generateContent") => Call::Generate,
                (&Method::POST, "streamGenerateContent") => Call::Stream {
                    events: query(uri, "alt") == Some("sse"),
                },
                (&Method::POST, "countTokens") => Call::Count,
                (&Method::POST, "embedContent") => Call::Embed,
                (&Method::POST, "batchEmbedContents") => Call::EmbedBatch,
                _ => Call::Unknown,
            };
            return route(Wire::Gemini, call, Some(model));
        }
        let claude = headers.contains_key("anthropic-version") || headers.contains_key("x-api-key");
        let wire = if claude || rest.starts_with("messages") {
            Wire::Anthropic
        } else {
            Wire::OpenAi
        };
        let call = match (wire, method, rest) {
            _ if version != "v1" => Call::Unknown,
            (_, &Method::GET, "models") => Call::Models,
            (_, &Method::GET, _) if rest.starts_with("models/") => {
                return route(wire, Call::Model, rest.strip_prefix("models/"));
            }
            (Wire::Anthropic, &Method::POST, "messages") => Call::Messages,
            (Wire::Anthropic, &Method::POST, "messages/count_tokens") => Call::CountMessages,
            (Wire::OpenAi, _, _) => openai(method, rest),
            _ => Call::Unknown,
        };
        route(wire, call, None)
    }

    /// Whether a stream is asked for by the path.
    pub(crate) fn streams(&self) -> bool {
        matches!(self.call, Call::Stream { .. })
    }
}

fn openai(method: &Method, rest: &str) -> Call {
    match (method, rest) {
        (&Method::POST, "chat/completions") => Call::Chat,
        (&Method::POST, "completions") => Call::Completion,
        (&Method::POST, "responses") => Call::Responses,
        (&Method::POST, "embeddings") => Call::Embeddings,
        _ => Call::Unknown,
    }
}

/// The value of a field of the query.
pub(crate) fn query<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(it, _)| *it == name)
        .map(|(_, value)| value)
}

/// Reads a name in which characters are written as their bytes in hexadecimal.
fn decoded(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut read = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                read.push(byte);
                at += 3;
            }
            None => {
                read.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_headers_tell_the_dialect() {
        let plain = HeaderMap::new();
        let mut claude = HeaderMap::new();
        claude.insert(
            "anthropic-version",
            http::HeaderValue::from_static("2023-06-01"),
        );
        let (get, post) = (Method::GET, Method::POST);
        let cases = [
            (
                &post,
                "/v1/chat/completions",
                &plain,
                Wire::OpenAi,
                Call::Chat,
                None,
            ),
            (
                &post,
                "/openai/v1/responses",
                &plain,
                Wire::OpenAi,
                Call::Responses,
                None,
            ),
            (
                &get,
                "/v1/models/a%2Fb",
                &plain,
                Wire::OpenAi,
                Call::Model,
                Some("a/b"),
            ),
            (
                &get,
                "/v1/models",
                &claude,
                Wire::Anthropic,
                Call::Models,
                None,
            ),
            (
                &post,
                "/v1/messages",
                &plain,
                Wire::Anthropic,
                Call::Messages,
                None,
            ),
            (
                &post,
                "/v1/models/m:generateContent",
                &plain,
                Wire::Gemini,
                Call::Generate,
                Some("m"),
            ),
            (
                &get,
                "/v1/models?key=k",
                &plain,
                Wire::Gemini,
                Call::Models,
                None,
            ),
            (
                &post,
                "/v1beta/models/m:streamGenerateContent?alt=sse",
                &plain,
                Wire::Gemini,
                Call::Stream { events: true },
                Some("m"),
            ),
            (
                &post,
                "/openai/deployments/d/chat/completions?api-version=2024-10-21",
                &plain,
                Wire::Azure,
                Call::Chat,
                Some("d"),
            ),
            (
                &post,
                "/openai/deployments/d/chat/completions",
                &plain,
                Wire::Azure,
                Call::Unknown,
                Some("d"),
            ),
            (&get, "/", &plain, Wire::OpenAi, Call::Unknown, None),
        ];
        for (method, uri, headers, wire, call, model) in cases {
            let route = Route::of(method, &uri.parse().unwrap(), headers);

            assert_eq!(
                route,
                Route {
                    wire,
                    call,
                    model: model.map(str::to_owned)
                },
                "{uri}"
            );
        }
    }
}
