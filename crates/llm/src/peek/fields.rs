use serde::Deserialize;
use serde_json::value::RawValue;

use super::also_null;
use crate::dialect::Api;

/// The fields that matter, of all dialects. A field that stands there twice is an error: what is inspected is what is
/// forwarded.
#[derive(Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "also_null")]
    pub(super) stream_options: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    /// Where Anthropic has its format.
    #[serde(borrow)]
    output_config: Option<&'a RawValue>,
    /// Where responses have their format; a text itself elsewhere.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    store: Option<&'a RawValue>,
    #[serde(borrow, rename = "generationConfig", alias = "generation_config")]
    generation: Option<&'a RawValue>,
}

/// What matters of Gemini's `generationConfig`.
#[derive(Default, Deserialize)]
struct Generation<'a> {
    #[serde(borrow, rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output: Option<&'a RawValue>,
    #[serde(borrow, rename = "candidateCount", alias = "candidate_count")]
    choices: Option<&'a RawValue>,
}

impl Fields<'_> {
    pub(super) fn streams(&self) -> bool {
        self.stream.is_some_and(|it| it.get() == "true")
    }

    /// The most tokens of output, if the caller says so.
    pub(super) fn max_output(&self, api: Api) -> Option<u64> {
        let generation = self.generation(api);
        let limits = match api {
            Api::Chat => [self.max_completion_tokens, self.max_tokens],
            Api::Completions | Api::Messages => [self.max_tokens, None],
            Api::Responses => [self.max_output_tokens, None],
            Api::Generate | Api::StreamGenerate { .. } => [generation.max_output, None],
            _ => [None, None],
        };
        limits.into_iter().find_map(integer)
    }

    /// How many answers are asked for: it matters to what they may cost. What is absurd is the provider's to refuse.
    pub(super) fn choices(&self, api: Api) -> u32 {
        let asked = match api {
            Api::Chat | Api::Completions => integer(self.n),
            Api::Generate | Api::StreamGenerate { .. } => integer(self.generation(api).choices),
            _ => None,
        };
        asked.map_or(1, |n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    pub(super) fn has_tools(&self) -> bool {
        let tools = self.tools.map(RawValue::get);
        tools.is_some_and(|tools| tools.starts_with('{') || tools.len() > 2 && tools != "null")
    }

    pub(super) fn has_schema(&self) -> bool {
        let formats = [self.response_format, self.output_config, self.text];
        let in_format = formats
            .into_iter()
            .flatten()
            .any(|format| format.get().starts_with('{') && format.get().contains("json_schema"));
        let generation = self.generation.map_or("", RawValue::get);
        in_format || SCHEMAS.iter().any(|name| generation.contains(name))
    }

    /// Whether the provider keeps the answer, as responses are unless the caller says otherwise.
    pub(super) fn is_stateful(&self) -> bool {
        self.store.is_none_or(|store| store.get() != "false")
    }

    fn generation(&self, api: Api) -> Generation<'_> {
        let raw = self.generation.filter(|_| api.names_model_in_path());
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }
}

fn integer(raw: Option<&RawValue>) -> Option<u64> {
    serde_json::from_str(raw?.get()).ok()
}

/// What Gemini calls a schema of the answer.
const SCHEMAS: [&str; 4] = [
    "\"responseSchema\"",
    "\"response_schema\"",
    "\"responseJsonSchema\"",
    "\"response_json_schema\"",
];
