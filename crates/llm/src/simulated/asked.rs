mod echo;

use serde_json::{Map, Value};

/// What a request asks for, whatever the dialect.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) system: Vec<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// Whether more than one tool may be called at a time.
    pub(crate) alone: bool,
    pub(crate) max: Option<u64>,
    pub(crate) stop: Vec<String>,
    pub(crate) choices: u64,
    pub(crate) format: Format,
    pub(crate) reasons: bool,
    /// How many alternatives a token's probability comes with.
    pub(crate) logprobs: Option<u64>,
    pub(crate) caching: Option<Caching>,
    /// Settings, by the same names in all dialects.
    pub(crate) params: Map<String, Value>,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    /// An image, a sound or a file.
    Media(&'static str, Source),
    Call {
        id: String,
        name: String,
        arguments: String,
        signed: bool,
    },
    Result {
        id: String,
        name: String,
        text: String,
        error: bool,
    },
    Thinking {
        text: String,
        signed: bool,
    },
}

/// Where media come from.
#[derive(Debug)]
pub(crate) enum Source {
    Inline { media_type: String, bytes: usize },
    At(String),
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Default)]
pub(crate) enum Choice {
    #[default]
    Auto,
    None,
    Any,
    /// One of these must be called.
    Of(Vec<String>),
    /// One of these may be called.
    Among(Vec<String>),
}

#[derive(Debug, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Schema(Value),
}

/// The beginning of a prompt that a provider keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caching {
    pub(crate) hash: u64,
    pub(crate) tokens: u64,
    /// Whether keeping it costs something.
    pub(crate) pays: bool,
    /// Whether it is kept for an hour.
    pub(crate) hour: bool,
}

impl Asked {
    /// What the last message asks, and what tools have said in it.
    pub(crate) fn question(&self) -> String {
        let texts = |message: &Message| {
            let text = |part: &Part| match part {
                Part::Text(text) => Some(text.clone()),
                _ => None,
            };
            message
                .parts
                .iter()
                .filter_map(text)
                .collect::<Vec<_>>()
                .join(" ")
        };
        self.messages.last().map(texts).unwrap_or_default()
    }

    /// What tools have said since the last turn of the model, if it is their turn.
    pub(crate) fn results(&self) -> Vec<(&str, &str)> {
        let mut results = Vec::new();
        for message in self.messages.iter().rev() {
            if message.role == "assistant" {
                break;
            }
            for part in message.parts.iter().rev() {
                if let Part::Result { name, text, .. } = part {
                    results.push((name.as_str(), text.as_str()));
                }
            }
        }
        results.reverse();
        results
    }

    pub(crate) fn media(&self) -> Vec<(&'static str, &Source)> {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        let media = parts.filter_map(|part| match part {
            Part::Media(kind, source) => Some((*kind, source)),
            _ => None,
        });
        media.collect()
    }

    /// The names of calls by their ids, for dialects whose results name none.
    pub(crate) fn name_of(&self, id: &str) -> String {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        let mut names = parts.filter_map(|part| match part {
            Part::Call { id: it, name, .. } if it == id => Some(name.clone()),
            _ => None,
        });
        names.next().unwrap_or_default()
    }

    /// How many tokens the whole prompt is.
    pub(crate) fn input(&self) -> u64 {
        let parts = |message: &Message| 3 + message.parts.iter().map(Part::tokens).sum::<u64>();
        self.prefix() + self.messages.iter().map(parts).sum::<u64>()
    }

    /// How many tokens stand before the messages.
    pub(crate) fn prefix(&self) -> u64 {
        let tool = |tool: &Tool| {
            tokens(&tool.name) + tokens(&tool.description) + tokens(&tool.schema.to_string())
        };
        let system = self.system.iter().map(|text| 3 + tokens(text)).sum::<u64>();
        system + self.tools.iter().map(tool).sum::<u64>()
    }

    /// Keeps what stands before the messages if it is long, as OpenAI and Gemini do unasked.
    pub(crate) fn keep_prefix(&mut self, pays: bool) {
        let tokens = self.prefix();
        let mut hash = Hash::new().add(&self.model);
        for text in &self.system {
            hash = hash.add(text);
        }
        for tool in &self.tools {
            hash = hash.add(&tool.name).add(&tool.schema.to_string());
        }
        self.caching = (tokens >= 1024).then_some(Caching {
            hash: hash.0,
            tokens,
            pays,
            hour: false,
        });
    }
}

impl Part {
    fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) | Self::Thinking { text, .. } | Self::Result { text, .. } => {
                tokens(text)
            }
            Self::Media(..) => 85,
            Self::Call {
                name, arguments, ..
            } => tokens(name) + tokens(arguments),
        }
    }
}

/// A hash that is the same on every machine and in every release (FNV-1a).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(self, text: &str) -> Self {
        // The byte that no UTF-8 has keeps the texts apart.
        let bytes = text.bytes().chain([0xff]);
        Self(bytes.fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }
}

/// How many tokens a text of the input is.
pub(crate) fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}
