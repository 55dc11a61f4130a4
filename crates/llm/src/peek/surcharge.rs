use serde_json::value::RawValue;

use super::{fields::Fields, words::Words};
use crate::dialect::Api;

impl Fields<'_> {
    /// What is billed by other things than tokens, at other rates than the usual tier's, or beyond the maximum that is
    /// sent.
    pub(super) fn surcharge(&self, api: Api) -> Option<&'static str> {
        let asked = [
            ("web_search_options", self.web_search_options),
            ("search_parameters", self.search_parameters),
            ("enable_search", self.enable_search),
            ("prediction", self.prediction),
            ("audio", self.audio),
            ("mcp_servers", self.mcp_servers),
            ("container", self.container),
            ("context_management", self.context_management),
            ("plugins", self.plugins),
            ("models", self.models),
            // A prompt that the provider keeps can bring tools along.
            ("prompt", self.prompt.filter(|_| api == Api::Responses)),
        ];
        let asked = asked.into_iter().find(|(_, field)| is_asked(*field));
        asked.map(|(name, _)| name).or_else(|| {
            let usual = [
                ("service_tier", self.service_tier, TIERS),
                ("speed", self.speed, &["standard"]),
                ("inference_geo", self.inference_geo, &["global"]),
                ("modalities", self.modalities, TEXT),
                ("modalities", self.generation(api).modalities, TEXT),
            ];
            let other = usual.into_iter().find(|(_, field, usual)| {
                is_asked(*field) && !field.is_none_or(|field| is_among(field, usual))
            });
            other.map(|(name, ..)| name).or_else(|| self.run_tool(api))
        })
    }

    /// A tool that the provider runs.
    fn run_tool(&self, api: Api) -> Option<&'static str> {
        let tools = self.tools?.get().as_bytes();
        // Google takes one thing in the place of a list of one.
        let depth = if tools.starts_with(b"{") { 1 } else { 2 };
        let mut own = Words::of(tools)
            .fields(|_| false)
            .filter(|field| field.depth == depth);
        if api.names_model_in_path() {
            let mut names = own.map(|field| field.name);
            let run = names.find(|name| {
                !matches!(&**name, b"functionDeclarations" | b"function_declarations")
            });
            return run.map(|name| known(&name));
        }
        own.find_map(|field| {
            let kind = field.value.filter(|_| &*field.name == b"type")?;
            let by_client = match api {
                Api::Messages | Api::CountTokens => {
                    &*kind == b"custom" || BY_CLIENT.iter().any(|it| kind.starts_with(it))
                }
                _ => matches!(&*kind, b"function" | b"custom"),
            };
            (!by_client).then(|| known(&kind))
        })
    }
}

fn is_asked(field: Option<&RawValue>) -> bool {
    field.is_some_and(|field| !matches!(field.get(), "[]" | "false"))
}

/// Whether all the words of a field are among these.
fn is_among(field: &RawValue, usual: &[&str]) -> bool {
    let mut words = Words::of(field.get().as_bytes()).peekable();
    words.peek().is_some()
        && words.all(|word| {
            let word = word.text();
            usual
                .iter()
                .any(|usual| word.eq_ignore_ascii_case(usual.as_bytes()))
        })
}

/// The name by which a refusal can say it: it is kept and logged, so it is none of the caller's own.
fn known(kind: &[u8]) -> &'static str {
    let known = KNOWN.iter().find(|(start, _)| kind.starts_with(start));
    known.map_or("tools", |&(_, name)| name)
}

const KNOWN: [(&[u8], &str); 15] = [
    (b"web_search", "web_search"),
    (b"web_fetch", "web_fetch"),
    (b"code_interpreter", "code_interpreter"),
    (b"code_execution", "code_execution"),
    (b"codeExecution", "code_execution"),
    (b"file_search", "file_search"),
    (b"fileSearch", "file_search"),
    (b"image_generation", "image_generation"),
    (b"computer", "computer_use"),
    (b"mcp", "mcp"),
    (b"google_search", "google_search"),
    (b"googleSearch", "google_search"),
    (b"google_maps", "google_maps"),
    (b"googleMaps", "google_maps"),
    (b"url", "url_context"),
];
/// Anthropic's own tools that the client runs. Their versions follow.
const BY_CLIENT: [&[u8]; 4] = [b"bash_", b"text_editor_", b"computer_", b"memory_"];
const TIERS: &[&str] = &["auto", "default", "standard", "standard_only", "flex"];
const TEXT: &[&str] = &["text"];
