use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{also_null, reach::is_all_text, string};
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
    #[serde(borrow, default, deserialize_with = "also_null")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "also_null")]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "also_null")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<&'a RawValue>,
    #[serde(borrow)]
    best_of: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tools: Option<&'a RawValue>,
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
    #[serde(
        borrow,
        default,
        rename = "generationConfig",
        alias = "generation_config",
        deserialize_with = "also_null"
    )]
    pub(super) generation: Option<&'a RawValue>,
    #[cfg_attr(
        not(feature = "upstream"),
        expect(dead_code, reason = "only who sends a limit reads it")
    )]
    #[serde(borrow)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow, rename = "cachedContent", alias = "cached_content")]
    cached: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) web_search_options: Option<&'a RawValue>,
    /// How compatible servers ask for a search of their own: xAI, and Qwen.
    #[serde(borrow)]
    pub(super) search_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) enable_search: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) prediction: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) audio: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) mcp_servers: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) container: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) context_management: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) plugins: Option<&'a RawValue>,
    /// Others that may serve, at their own prices.
    #[serde(borrow)]
    pub(super) models: Option<&'a RawValue>,
    #[serde(borrow, alias = "serviceTier")]
    pub(super) service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) speed: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) inference_geo: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) modalities: Option<&'a RawValue>,
}

/// What matters of Gemini's `generationConfig`.
#[derive(Default, Deserialize)]
pub(super) struct Generation<'a> {
    #[serde(
        borrow,
        default,
        rename = "maxOutputTokens",
        alias = "max_output_tokens",
        deserialize_with = "also_null"
    )]
    pub(super) max_output: Option<&'a RawValue>,
    #[serde(borrow, rename = "candidateCount", alias = "candidate_count")]
    choices: Option<&'a RawValue>,
    #[serde(borrow, rename = "responseModalities", alias = "response_modalities")]
    pub(super) modalities: Option<&'a RawValue>,
}

/// What matters of Anthropic's `metadata`.
#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
}

impl Fields<'_> {
    pub(super) fn streams(&self) -> bool {
        self.stream.is_some_and(|it| it.get() == "true")
    }

    /// The most tokens of output, if the caller says so.
    pub(super) fn max_output(&self, api: Api) -> Option<u64> {
        // Where both stand, nobody knows which one a server goes by.
        let limits = self.limits(api).into_iter();
        let limits = limits.filter_map(|(_, limit)| integer(limit));
        limits.filter(|limit| is_bound(api, *limit)).max()
    }

    /// The fields that can hold the most tokens of output, the better one first.
    pub(super) fn limits(&self, api: Api) -> [(&'static str, Option<&RawValue>); 2] {
        let one = |name, field| [(name, field), (name, None)];
        match api {
            Api::Chat => [
                ("max_completion_tokens", self.max_completion_tokens),
                ("max_tokens", self.max_tokens),
            ],
            Api::Responses => one("max_output_tokens", self.max_output_tokens),
            Api::Generate | Api::StreamGenerate { .. } => {
                one("maxOutputTokens", self.generation(api).max_output)
            }
            Api::Completions | Api::Messages => one("max_tokens", self.max_tokens),
            _ => one("", None),
        }
    }

    /// The most tokens of input, if what stands in the request bounds them. A token has at least a byte.
    pub(super) fn max_input(&self, api: Api, body: &[u8]) -> Option<u64> {
        let prompt = self.prompt.filter(|_| api == Api::Responses);
        let elsewhere = [
            self.previous_response_id,
            self.conversation,
            self.cached,
            prompt,
        ];
        if elsewhere.into_iter().any(|it| it.is_some()) || !is_all_text(api, body) {
            return None;
        }
        let is_instructed = self.has_tools() || self.has_schema();
        let margin = MARGIN + if is_instructed { INSTRUCTIONS } else { 0 };
        Some(margin.saturating_add(body.len() as u64))
    }

    /// How many answers are asked for: it matters to what they may cost. What is absurd is the provider's to refuse.
    pub(super) fn choices(&self, api: Api) -> u32 {
        let asked = match api {
            Api::Chat => count(self.n),
            // Each prompt of a list is answered, and the best of several answers is chosen of answers that are paid.
            Api::Completions => {
                let each = count(self.n).max(count(self.best_of));
                each.saturating_mul(self.prompts())
            }
            Api::Generate | Api::StreamGenerate { .. } => count(self.generation(api).choices),
            _ => 1,
        };
        u32::try_from(asked).unwrap_or(u32::MAX)
    }

    fn prompts(&self) -> u64 {
        let prompts = self.prompt.filter(|raw| raw.get().starts_with('['));
        let prompts = prompts.map(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()));
        let Some(Ok(prompts)) = prompts else {
            return 1;
        };
        let is_token = |raw: &RawValue| raw.get().starts_with(|it: char| it.is_ascii_digit());
        match prompts.first() {
            Some(first) if !is_token(first) => prompts.len() as u64,
            _ => 1,
        }
    }

    /// Whom the caller calls for. Of a long name its beginning counts: to leave it out would dodge the user's limits.
    pub(super) fn end_user(&self, api: Api) -> Option<Arc<str>> {
        let name = match api {
            Api::Messages | Api::CountTokens => {
                let metadata = serde_json::from_str::<Metadata<'_>>(self.metadata?.get());
                string(metadata.ok()?.user_id?)
            }
            _ => {
                let names = [self.safety_identifier, self.user];
                names.into_iter().flatten().find_map(string)
            }
        }?;
        let name = &name[..name.floor_char_boundary(LONGEST_USER)];
        (!name.is_empty()).then(|| name.into())
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

    pub(super) fn generation(&self, api: Api) -> Generation<'_> {
        let raw = self.generation.filter(|_| api.names_model_in_path());
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }
}

/// Whether so much output is a limit. None at all is one where a dialect says so; elsewhere a server may take it for no
/// limit.
pub(super) const fn is_bound(api: Api, limit: u64) -> bool {
    limit > 0 || matches!(api, Api::Messages | Api::Completions)
}

pub(super) fn integer(raw: Option<&RawValue>) -> Option<u64> {
    serde_json::from_str(raw?.get()).ok()
}

/// How many of something. What is no number here may be one to a provider.
fn count(raw: Option<&RawValue>) -> u64 {
    raw.map_or(1, |raw| {
        integer(Some(raw)).map_or(u64::MAX, |count| count.max(1))
    })
}

/// What stands around the texts in a model's own form, and what providers add of their own.
const MARGIN: u64 = 512;
/// What tells a model how to call tools or to keep to a schema, besides those themselves.
const INSTRUCTIONS: u64 = 1024;
/// In bytes.
const LONGEST_USER: usize = 256;

/// What Gemini calls a schema of the answer.
const SCHEMAS: [&str; 4] = [
    "\"responseSchema\"",
    "\"response_schema\"",
    "\"responseJsonSchema\"",
    "\"response_json_schema\"",
];
