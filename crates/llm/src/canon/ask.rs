use serde_json::{Map, Value};

use super::{Losses, Part, Role};

/// What is asked of a model, in no dialect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// The model, as the caller named it.
    pub(crate) model: String,
    /// Instructions that stand above the conversation; text only.
    pub(crate) system: Vec<Part>,
    /// The conversation. Turns of one role may follow each other.
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once; the provider's default is yes.
    pub(crate) parallel_tools: Option<bool>,
    /// The most tokens of output, reasoning included.
    pub(crate) max_output: Option<u64>,
    pub(crate) sampling: Sampling,
    /// Texts that end the answer.
    pub(crate) stop: Vec<String>,
    /// How many answers are wanted.
    pub(crate) choices: u32,
    /// Whether log probabilities are wanted, and of how many alternatives a token.
    pub(crate) logprobs: Option<u32>,
    pub(crate) format: Format,
    pub(crate) reasoning: Option<Reasoning>,
    /// The end user, as the caller calls them.
    pub(crate) user: Option<String>,
    pub(crate) stream: bool,
    /// Whether the caller wants to read the usage at the end of a stream, where its dialect lets it choose.
    pub(crate) stream_usage: bool,
    /// What the caller's dialect repeats in its answers, where it is kept nowhere else.
    pub(crate) echo: Map<String, Value>,
    /// What the caller's dialect calls things, for errors.
    pub(crate) names: &'static Names,
    /// What the reader met that this form has no place for.
    pub(crate) losses: Losses,
}

impl Ask {
    /// Nothing asked yet.
    pub(crate) fn new(names: &'static Names) -> Self {
        Self {
            model: String::new(),
            system: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            max_output: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            choices: 1,
            logprobs: None,
            format: Format::Text,
            reasoning: None,
            user: None,
            stream: false,
            stream_usage: false,
            echo: Map::new(),
            names,
            losses: Losses::default(),
        }
    }
}

/// One side's say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    pub(crate) role: Role,
    pub(crate) parts: Vec<Part>,
    /// Where in the caller's list it began, for errors.
    pub(crate) at: usize,
}

/// How words are chosen. Ranges are the provider's to judge, but where two providers' ranges differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    pub(crate) seed: Option<i64>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// A JSON schema of its arguments; none if it takes none.
    pub(crate) parameters: Option<Value>,
    /// Whether arguments must keep to the schema.
    pub(crate) strict: Option<bool>,
    /// Whether the provider is to cache the prompt up to here.
    pub(crate) cached: bool,
}

/// Whether tools must be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one of these, or of all if the list is empty.
    Required(Vec<String>),
    /// These and no others, as the model likes.
    Among(Vec<String>),
}

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    Text,
    /// Some JSON.
    Json,
    /// JSON after a schema.
    Schema {
        name: Option<String>,
        description: Option<String>,
        schema: Value,
        strict: Option<bool>,
    },
}

/// How much a model thinks before it answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<Effort>,
    /// The most tokens for it.
    pub(crate) budget: Option<u64>,
    /// Whether the caller wants to see it. If it does not say, it is shown where the target shows it unasked.
    pub(crate) shown: Option<bool>,
}

/// How hard a model thinks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Effort {
    /// It does not think.
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
    /// As much as the model finds right; what Anthropic calls adaptive.
    Adaptive,
}

impl Effort {
    /// By OpenAI's and Anthropic's name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// OpenAI's and Anthropic's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium | Self::Adaptive => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// What a dialect calls the things that another may lack. An error names the field that its reader wrote.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Names {
    pub(crate) system: &'static str,
    pub(crate) turns: &'static str,
    pub(crate) tools: &'static str,
    pub(crate) tool_choice: &'static str,
    pub(crate) parallel_tools: &'static str,
    pub(crate) max_output: &'static str,
    pub(crate) temperature: &'static str,
    pub(crate) top_p: &'static str,
    pub(crate) top_k: &'static str,
    pub(crate) seed: &'static str,
    pub(crate) presence_penalty: &'static str,
    pub(crate) frequency_penalty: &'static str,
    pub(crate) stop: &'static str,
    pub(crate) choices: &'static str,
    pub(crate) logprobs: &'static str,
    pub(crate) format: &'static str,
    pub(crate) reasoning: &'static str,
    pub(crate) user: &'static str,
}

impl Names {
    /// A turn's name in an error, such as `messages[3]`.
    pub(crate) fn turn(&self, turn: &Turn) -> String {
        format!("{}[{}]", self.turns, turn.at)
    }
}

/// For whom a request is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// What the model is called there.
    pub(crate) model: &'a str,
    /// The most output where the dialect must be told and the caller did not say.
    pub(crate) max_output: u64,
    /// `anthropic-version`, where that is spoken.
    pub(crate) version: &'a str,
    /// Whether the limit of output is called `max_tokens`, as servers after OpenAI's older form have it.
    pub(crate) legacy_max_tokens: bool,
}
