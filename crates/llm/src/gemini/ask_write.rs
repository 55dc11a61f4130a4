use serde::Serialize;
use serde_json::{Value, json};

use super::{
    content_write::{contents, system},
    thinking::ThinkingConfig,
    wire::{self, Content, Part},
};
use crate::canon::{Ask, Format, Losses, Target, ToolChoice};

/// Writes a request. The model stands in the path, and whether to stream as well.
pub(crate) fn write_ask(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    wire::json(&request(ask, target, losses))
}

pub(super) fn request<'a>(ask: &'a Ask, target: &Target<'_>, losses: &mut Losses) -> Request<'a> {
    let mut system_instruction = system(ask, losses);
    let mut contents = contents(ask, target.model, losses);
    if contents.is_empty() {
        // Others answer instructions alone; here they must be said by somebody.
        let parts = match system_instruction.take() {
            Some(system) => system.parts,
            None => vec![Part::text(" ")],
        };
        let role = Some("user");
        contents.push(Content { parts, role });
    }
    if ask.user.is_some() {
        losses.hint(ask.names.user);
    }
    if ask.parallel_tools == Some(false) && !ask.tools.is_empty() {
        losses.field(ask.names.parallel_tools);
    }
    Request {
        model: None,
        system_instruction,
        contents,
        tools: tools(ask, losses),
        tool_config: tool_config(ask),
        generation_config: config(ask, target, losses),
    }
}

fn tools<'a>(ask: &'a Ask, losses: &mut Losses) -> Option<[Tools<'a>; 1]> {
    let declared = ask.tools.iter().enumerate().map(|(index, tool)| {
        for (lost, name) in [
            (tool.cached, "cache_control"),
            (tool.strict == Some(true), "strict"),
        ] {
            if lost {
                losses.hint(format!("{}[{index}].{name}", ask.names.tools));
            }
        }
        Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters_json_schema: tool.parameters.as_ref(),
        }
    });
    let function_declarations: Vec<_> = declared.collect();
    (!function_declarations.is_empty()).then_some([Tools {
        function_declarations,
    }])
}

/// Google refuses it without functions.
fn tool_config(ask: &Ask) -> Option<ToolConfig<'_>> {
    let none: &[String] = &[];
    let choice = ask.tool_choice.as_ref().filter(|_| !ask.tools.is_empty());
    let (mode, allowed_function_names) = match choice? {
        ToolChoice::Auto => ("AUTO", none),
        ToolChoice::None => ("NONE", none),
        ToolChoice::Required(names) => ("ANY", &**names),
        ToolChoice::Among(names) => ("VALIDATED", &**names),
    };
    Some(ToolConfig {
        function_calling_config: Calling {
            mode,
            allowed_function_names,
        },
    })
}

fn config<'a>(ask: &'a Ask, target: &Target<'_>, losses: &mut Losses) -> Option<Config<'a>> {
    if ask.stop.len() > MOST_STOPS {
        losses.field(ask.names.stop);
    }
    let schema = match &ask.format {
        Format::Schema {
            schema,
            description,
            ..
        } => Some(described(schema, description.as_deref())),
        Format::Text | Format::Json => None,
    };
    let reasoning = ask.reasoning.and_then(|reasoning| {
        ThinkingConfig::of(reasoning, target.model, ask.names.reasoning, losses)
    });
    let sampling = &ask.sampling;
    let config = Config {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        seed: sampling.seed.map(fold),
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        max_output_tokens: ask.max_output,
        stop_sequences: &ask.stop[..ask.stop.len().min(MOST_STOPS)],
        candidate_count: (ask.choices > 1).then_some(ask.choices),
        response_logprobs: ask.logprobs.map(|_| true),
        logprobs: ask.logprobs.filter(|&count| count > 0),
        response_mime_type: (ask.format != Format::Text).then_some("application/json"),
        response_json_schema: schema,
        thinking_config: reasoning,
    };
    Some(config).filter(|config| *config != Config::default())
}

/// The schema with the description that other dialects have beside it.
fn described(schema: &Value, description: Option<&str>) -> Value {
    let mut schema = schema.clone();
    if let (Value::Object(fields), Some(text)) = (&mut schema, description)
        && !fields.contains_key("description")
    {
        fields.insert("description".to_owned(), json!(text));
    }
    schema
}

/// Seeds have 32 bits here. All that matters of a seed is that it is the same the next time.
#[expect(clippy::cast_possible_truncation)]
fn fold(seed: i64) -> i32 {
    i32::try_from(seed).unwrap_or((seed ^ (seed >> 32)) as i32)
}

/// Google refuses more.
const MOST_STOPS: usize = 5;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<Config<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allowed_function_names: &'a [String],
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}
