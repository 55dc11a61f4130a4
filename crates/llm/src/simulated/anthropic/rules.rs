use std::collections::HashSet;

use http::HeaderMap;
use serde_json::Value;

use super::fields::{SAMPLING, items, known};
use crate::simulated::refusal::Refusal;

/// The versions of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    V2023,
    V2026,
}

/// Reads the version that a request is written in.
pub(crate) fn version(headers: &HeaderMap) -> Result<Version, Refusal> {
    let version = headers
        .get("anthropic-version")
        .and_then(|it| it.to_str().ok());
    match version {
        Some("2023-06-01") => Ok(Version::V2023),
        Some("2026-10-21") => Ok(Version::V2026),
        Some(other) => Err(Refusal::bad(format!(
            "anthropic-version: \"{other}\" is not a valid version"
        ))),
        None => Err(Refusal::bad("anthropic-version: header is required")),
    }
}

/// Refuses settings that Anthropic refuses.
pub(crate) fn settings(body: &Value, version: Version, counts: bool) -> Result<(), Refusal> {
    known(body)?;
    let refuse = |message: &str| Err(Refusal::bad(message));
    let model = body["model"].as_str().unwrap_or_default();
    if model.is_empty() {
        return refuse("model: Field required");
    }
    let max = match &body["max_tokens"] {
        Value::Null if counts => u64::MAX,
        Value::Null => return refuse("max_tokens: Field required"),
        value => match value.as_u64() {
            None => return refuse("max_tokens: Input should be a valid integer"),
            Some(0) => return refuse("max_tokens: Input should be greater than or equal to 1"),
            Some(max) => max,
        },
    };
    for field in SAMPLING {
        let value = &body[field];
        if value.is_null() {
            continue;
        }
        if version == Version::V2026 {
            return Err(Refusal::bad(format!(
                "{field}: Extra inputs are not permitted"
            )));
        }
        if fixed(model) && value.as_f64() != Some(1.0) {
            return Err(Refusal::bad(format!(
                "`{field}` may only be set to its default value for this model."
            )));
        }
        let Some(number) = value.as_f64() else {
            return Err(Refusal::bad(format!(
                "{field}: Input should be a valid number"
            )));
        };
        if field != "top_k" && !(0.0..=1.0).contains(&number) {
            return Err(Refusal::bad(format!("{field}: range: 0..1")));
        }
    }
    for (index, stop) in items(&body["stop_sequences"]).enumerate() {
        if stop.as_str().is_none_or(|stop| stop.trim().is_empty()) {
            return Err(Refusal::bad(format!(
                "stop_sequences.{index}: each stop sequence must contain non-whitespace"
            )));
        }
    }
    thinking(body, max)?;
    tools(body)?;
    schema(&body["output_config"]["format"]["schema"])
}

fn thinking(body: &Value, max: u64) -> Result<(), Refusal> {
    let thinking = &body["thinking"];
    match thinking["type"].as_str() {
        None if thinking.is_null() => return Ok(()),
        Some("disabled") => return Ok(()),
        Some("adaptive") if !thinking["budget_tokens"].is_null() => {
            return Err(Refusal::bad(
                "thinking.adaptive.budget_tokens: Extra inputs are not permitted",
            ));
        }
        Some("adaptive") => {}
        Some("enabled") => {
            let Some(budget) = thinking["budget_tokens"].as_u64() else {
                return Err(Refusal::bad(
                    "thinking.enabled.budget_tokens: Field required",
                ));
            };
            if budget < 1024 {
                let message =
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024";
                return Err(Refusal::bad(message));
            }
            if budget >= max {
                return Err(Refusal::bad(
                    "`max_tokens` must be greater than `thinking.budget_tokens`.",
                ));
            }
        }
        _ => {
            return Err(Refusal::bad(
                "thinking.type: Input should be 'adaptive', 'disabled' or 'enabled'",
            ));
        }
    }
    match body["tool_choice"]["type"].as_str() {
        Some("any" | "tool") => Err(Refusal::bad(
            "Thinking may not be enabled when tool_choice forces tool use.",
        )),
        _ => Ok(()),
    }
}

fn tools(body: &Value) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    for (index, tool) in items(&body["tools"]).enumerate() {
        let path = format!("tools.{index}.custom");
        let name = tool["name"].as_str().unwrap_or_default();
        let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return Err(Refusal::bad(format!(
                "{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if !names.insert(name) {
            return Err(Refusal::bad("tools: Tool names must be unique."));
        }
        let custom = tool["type"].is_null() || tool["type"] == "custom";
        if custom && !tool["input_schema"].is_object() {
            return Err(Refusal::bad(format!("{path}.input_schema: Field required")));
        }
        if custom && tool["input_schema"]["type"] != "object" {
            return Err(Refusal::bad(format!(
                "{path}.input_schema.type: Input should be 'object'"
            )));
        }
    }
    let choice = &body["tool_choice"];
    match choice["type"].as_str() {
        None if choice.is_null() => Ok(()),
        _ if names.is_empty() => Err(Refusal::bad(
            "tool_choice: may only be specified while providing tools.",
        )),
        Some("auto" | "any") => Ok(()),
        Some("none") if choice["disable_parallel_tool_use"].is_null() => Ok(()),
        Some("none") => Err(Refusal::bad(
            "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted",
        )),
        Some("tool")
            if choice["name"]
                .as_str()
                .is_some_and(|name| names.contains(name)) =>
        {
            Ok(())
        }
        Some("tool") => Err(Refusal::bad(format!(
            "Tool '{}' not found in provided tools",
            choice["name"].as_str().unwrap_or_default()
        ))),
        _ => Err(Refusal::bad(
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        )),
    }
}

/// Refuses a schema for the output that leaves objects open, or says what cannot be held to.
fn schema(schema: &Value) -> Result<(), Refusal> {
    const PATH: &str = "output_config.format.schema";
    const NEVER: [&str; 10] = [
        "uniqueItems",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "patternProperties",
    ];
    match schema {
        Value::Array(schemas) => schemas.iter().try_for_each(self::schema),
        Value::Object(fields) => {
            let kind = fields
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if kind == "object" && fields.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Err(Refusal::bad(format!(
                    "{PATH}: For 'object' type, 'additionalProperties' must be explicitly set to false"
                )));
            }
            if let Some(word) = NEVER
                .iter()
                .find(|word| !kind.is_empty() && fields.contains_key(**word))
            {
                return Err(Refusal::bad(format!(
                    "{PATH}: For '{kind}' type, property '{word}' is not supported"
                )));
            }
            fields
                .iter()
                .try_for_each(|(name, value)| match (name.as_str(), value) {
                    // Names of properties are no words of the schema.
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        named.values().try_for_each(self::schema)
                    }
                    ("enum" | "const" | "default" | "examples", _) => Ok(()),
                    _ => self::schema(value),
                })
        }
        _ => Ok(()),
    }
}

/// Whether a model takes nothing but the default of what is said of sampling.
fn fixed(model: &str) -> bool {
    ["-4-7", "-4-8", "-4-9", "-5"]
        .iter()
        .any(|it| model.starts_with("claude") && model.contains(it))
}

/// Whether a model goes on from the beginning of its own answer.
pub(crate) fn prefills(model: &str) -> bool {
    let old = ["claude-3", "-4-0", "-4-1", "-4-5", "-4-2025"];
    old.iter().any(|it| model.contains(it))
}
