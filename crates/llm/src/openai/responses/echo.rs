use serde::Serialize;
use serde_json::{Map, Value, json};

use super::response::json as write;
use crate::canon::{Ask, Effort, Format, Tool, ToolChoice};

/// What a request said, or what holds because it did not, as the last fields of an object: `,"a":1}`.
pub(super) fn echo(ask: &Ask) -> Vec<u8> {
    let told = |name| ask.echo.get(name);
    let echo = Echo {
        instructions: told("instructions"),
        max_output_tokens: ask.max_output,
        max_tool_calls: None,
        metadata: told("metadata").map_or(Told::Nothing(Map::new()), Told::Word),
        parallel_tool_calls: ask.parallel_tools.unwrap_or(true),
        previous_response_id: None,
        prompt_cache_key: told("prompt_cache_key"),
        reasoning: told("reasoning").map_or_else(|| effort(ask), Told::Word),
        safety_identifier: told("safety_identifier"),
        service_tier: "default",
        store: false,
        temperature: ask.sampling.temperature.unwrap_or(1.0),
        text: Text {
            format: format(&ask.format),
            verbosity: "medium",
        },
        tool_choice: choice(ask.tool_choice.as_ref()),
        tools: ask.tools.iter().map(Function::from).collect(),
        top_logprobs: ask.logprobs.unwrap_or_default(),
        top_p: ask.sampling.top_p.unwrap_or(1.0),
        truncation: "disabled",
        user: told("user"),
    };
    let mut out = Vec::with_capacity(1024);
    write(&mut out, &echo);
    out[0] = b','; // In the place of the brace.
    out
}

fn effort(ask: &Ask) -> Told<'static> {
    let effort = ask.reasoning.and_then(|reasoning| reasoning.effort);
    let fields = [
        ("effort", effort.map(Effort::as_str).into()),
        ("summary", Value::Null),
    ];
    Told::Nothing(
        fields
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
    )
}

fn format(format: &Format) -> Answer<'_> {
    match format {
        Format::Text => Answer::Text,
        Format::Json => Answer::JsonObject,
        Format::Schema {
            name,
            description,
            schema,
            strict,
        } => Answer::JsonSchema {
            name: name.as_deref().unwrap_or_default(),
            description: description.as_deref(),
            schema,
            strict: *strict,
        },
    }
}

fn choice(choice: Option<&ToolChoice>) -> Value {
    let functions = |names: &[String]| -> Vec<Value> {
        let function = |name: &String| json!({"type": "function", "name": name});
        names.iter().map(function).collect()
    };
    let allowed = |mode: &str, names: &[String]| json!({"type": "allowed_tools", "mode": mode, "tools": functions(names)});
    match choice {
        None | Some(ToolChoice::Auto) => "auto".into(),
        Some(ToolChoice::None) => "none".into(),
        Some(ToolChoice::Required(names)) => match names.as_slice() {
            [] => "required".into(),
            [name] => json!({"type": "function", "name": name}),
            names => allowed("required", names),
        },
        Some(ToolChoice::Among(names)) => allowed("auto", names),
    }
}

#[derive(Serialize)]
struct Echo<'a> {
    instructions: Option<&'a Value>,
    max_output_tokens: Option<u64>,
    max_tool_calls: Option<u64>,
    metadata: Told<'a>,
    parallel_tool_calls: bool,
    previous_response_id: Option<&'a str>,
    prompt_cache_key: Option<&'a Value>,
    reasoning: Told<'a>,
    safety_identifier: Option<&'a Value>,
    service_tier: &'static str,
    store: bool,
    temperature: f64,
    text: Text<'a>,
    tool_choice: Value,
    tools: Vec<Function<'a>>,
    top_logprobs: u32,
    top_p: f64,
    truncation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a Value>,
}

/// What a caller said, or what stands for its silence.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Word(&'a Value),
    Nothing(Map<String, Value>),
}

#[derive(Serialize)]
struct Text<'a> {
    format: Answer<'a>,
    verbosity: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    Text,
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a Value,
        strict: Option<bool>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "function")]
struct Function<'a> {
    name: &'a str,
    description: Option<&'a str>,
    parameters: Option<&'a Value>,
    strict: Option<bool>,
}

impl<'a> From<&'a Tool> for Function<'a> {
    fn from(tool: &'a Tool) -> Self {
        Self {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
            strict: tool.strict,
        }
    }
}
