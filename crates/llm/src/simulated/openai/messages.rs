use serde_json::{Value, json};

use super::{
    parts::{parts, string, texts},
    rules,
};
use crate::simulated::{
    asked::{Asked, Choice, Format, Message, Part, Tool},
    refusal::Refusal,
};

/// Reads a chat completion's request.
pub(crate) fn messages(body: &Value) -> Result<Asked, Refusal> {
    rules::settings(body)?;
    let mut asked = common(body);
    let Some(messages) = body["messages"].as_array().filter(|it| !it.is_empty()) else {
        return Err(rules::missing("messages"));
    };
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages[{index}]");
        let content = parts(&message["content"], &path)?;
        let role = match message["role"].as_str() {
            Some("system" | "developer") => {
                asked.system.push(texts(&content));
                continue;
            }
            Some("user") => "user",
            Some("assistant") => "assistant",
            Some("tool" | "function") => "tool",
            _ => return Err(rules::invalid(&format!("{path}.role"), &message["role"])),
        };
        let mut content = match role {
            "tool" => {
                let id = message["tool_call_id"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                let name = asked.name_of(&id);
                vec![Part::Result {
                    id,
                    name,
                    text: texts(&content),
                    error: false,
                }]
            }
            _ => content,
        };
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            content.push(Part::Call {
                id: string(&call["id"]),
                name: string(&function["name"]),
                arguments: string(&function["arguments"]),
                signed: false,
            });
        }
        if role == "user" && message["content"].is_null() {
            let message =
                format!("Invalid value for 'content': expected a string, got null. ({path})");
            return Err(Refusal::bad(message).param(format!("{path}.content")));
        }
        asked.messages.push(Message {
            role,
            parts: content,
        });
    }
    rules::turns(&asked.messages)?;
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let function = if tool["type"] == "custom" {
            &tool["custom"]
        } else {
            &tool["function"]
        };
        asked
            .tools
            .push(rules::tool(function, &format!("tools[{index}].function"))?);
    }
    asked.choice = match &body["tool_choice"] {
        Value::String(choice) if choice == "none" => Choice::None,
        Value::String(choice) if choice == "required" => Choice::Any,
        Value::Object(choice) => {
            let allowed = &choice.get("allowed_tools").cloned().unwrap_or_default();
            let names = |tools: &Value| {
                let tools = tools.as_array().into_iter().flatten();
                tools
                    .map(|tool| string(&tool["function"]["name"]))
                    .collect::<Vec<_>>()
            };
            match (allowed["mode"].as_str(), choice.get("function")) {
                (Some("required"), _) => Choice::Of(names(&allowed["tools"])),
                (Some(_), _) => Choice::Among(names(&allowed["tools"])),
                (None, Some(function)) => Choice::Of(vec![string(&function["name"])]),
                (None, None) => Choice::Of(vec![string(&body["tool_choice"]["custom"]["name"])]),
            }
        }
        _ => Choice::Auto,
    };
    rules::chosen(&asked)?;
    asked.format = match body["response_format"]["type"].as_str() {
        Some("json_object") => Format::Json,
        Some("json_schema") => {
            let format = &body["response_format"]["json_schema"];
            rules::schema(
                &format["schema"],
                format["strict"] == true,
                "response_format",
                &format["name"],
            )?;
            Format::Schema(format["schema"].clone())
        }
        _ => Format::Text,
    };
    rules::says_json(&asked)?;
    let effort = body["reasoning_effort"].as_str();
    asked.reasons = effort.map_or(reasons(&asked.model), |effort| effort != "none");
    asked.logprobs =
        (body["logprobs"] == true).then(|| body["top_logprobs"].as_u64().unwrap_or(0).min(20));
    asked.keep_prefix(pays(body));
    Ok(asked)
}

/// Reads a plain completion's request.
pub(crate) fn prompt(body: &Value) -> Result<Asked, Refusal> {
    rules::settings(body)?;
    let mut asked = common(body);
    let text = match &body["prompt"] {
        Value::Null => "<|endoftext|>".into(),
        Value::String(text) => text.clone(),
        Value::Array(texts) if texts.iter().all(Value::is_string) => texts
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        tokens => tokens.to_string(),
    };
    asked.messages.push(Message {
        role: "user",
        parts: vec![Part::Text(text)],
    });
    asked.logprobs = body["logprobs"].as_u64();
    asked.max = asked.max.or(Some(16));
    Ok(asked)
}

/// What chat completions, completions and responses have in common.
pub(crate) fn common(body: &Value) -> Asked {
    let mut asked = Asked {
        model: string(&body["model"]),
        stream: body["stream"] == true,
        alone: body["parallel_tool_calls"] == false,
        choices: body["n"].as_u64().unwrap_or(1),
        ..Asked::default()
    };
    let limits = ["max_completion_tokens", "max_tokens", "max_output_tokens"];
    asked.max = limits.iter().find_map(|name| body[name].as_u64());
    asked.stop = match &body["stop"] {
        Value::String(one) => vec![one.clone()],
        many => many.as_array().into_iter().flatten().map(string).collect(),
    };
    let same = [
        "temperature",
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "n",
        "user",
        "safety_identifier",
        "service_tier",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "metadata",
        "store",
        "verbosity",
        "prompt_cache_key",
        "modalities",
        "reasoning_effort",
        "instructions",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "stream_options",
        "truncation",
        "include",
    ];
    for name in same {
        if !body[name].is_null() {
            asked.params.insert(name.into(), body[name].clone());
        }
    }
    if let Some(max) = asked.max {
        asked.params.insert("max_tokens".into(), json!(max));
    }
    if !asked.stop.is_empty() {
        asked.params.insert("stop".into(), json!(asked.stop));
    }
    asked
}

/// Whether a model reasons unasked.
pub(crate) fn reasons(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"]
        .iter()
        .any(|name| model.starts_with(name))
}

/// Whether it costs something to keep a prompt: only where that was asked for.
pub(crate) fn pays(body: &Value) -> bool {
    !body["prompt_cache_key"].is_null() || !body["prompt_cache_options"].is_null()
}

impl Tool {
    pub(crate) fn new(name: &Value, description: &Value, schema: &Value) -> Self {
        Self {
            name: string(name),
            description: string(description),
            schema: schema.clone(),
        }
    }
}
