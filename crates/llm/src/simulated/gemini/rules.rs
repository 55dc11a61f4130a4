use serde_json::{Value, json};

use super::contents::items;
use crate::simulated::{
    asked::{Asked, Message, Part},
    refusal::Refusal,
};

/// Refuses settings that Google refuses.
pub(crate) fn settings(body: &Value) -> Result<(), Refusal> {
    let generation = &body["generationConfig"];
    let ranges: [(&str, &str, f64, f64); 8] = [
        ("temperature", "temperature", 0.0, 2.0),
        ("topP", "top_p", 0.0, 1.0),
        ("topK", "top_k", 1.0, 1e9),
        ("maxOutputTokens", "max_output_tokens", 1.0, 1e9),
        ("candidateCount", "candidate_count", 1.0, 8.0),
        ("presencePenalty", "presence_penalty", -2.0, 2.0),
        ("frequencyPenalty", "frequency_penalty", -2.0, 2.0),
        ("seed", "seed", -2_147_483_648.0, 2_147_483_647.0),
    ];
    for (field, name, least, most) in ranges {
        let value = &generation[field];
        if value.is_null() {
            continue;
        }
        let Some(number) = number(value) else {
            return Err(unfit(
                &format!("generation_config.{name}"),
                "TYPE_FLOAT",
                value,
            ));
        };
        if !(least..=most).contains(&number) {
            let message = format!(
                "* GenerateContentRequest.generation_config.{name}: {name} must be in the range [{least}, {most}].\n"
            );
            return Err(Refusal::bad(message));
        }
    }
    if items(&generation["stopSequences"]).count() > 5 {
        let message = "* GenerateContentRequest.generation_config.stop_sequences: The number of stop sequences must be at most 5.\n";
        return Err(Refusal::bad(message));
    }
    let thinking = &generation["thinkingConfig"];
    if !thinking["thinkingBudget"].is_null() && !thinking["thinkingLevel"].is_null() {
        return Err(Refusal::bad(
            "You can only set only one of thinking budget and thinking level.",
        ));
    }
    let schemas =
        ["responseSchema", "responseJsonSchema"].map(|field| !generation[field].is_null());
    if schemas == [true, true] {
        let message = "* GenerateContentRequest.generation_config: only one of response_schema and response_json_schema may be set.\n";
        return Err(Refusal::bad(message));
    }
    if schemas != [false, false] && generation["responseMimeType"] != "application/json" {
        let message = "* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is 'application/json'.\n";
        return Err(Refusal::bad(message));
    }
    let level = &thinking["thinkingLevel"];
    let levels = [
        "MINIMAL",
        "LOW",
        "MEDIUM",
        "HIGH",
        "XHIGH",
        "THINKING_LEVEL_UNSPECIFIED",
    ];
    if !level.is_null()
        && !level
            .as_str()
            .is_some_and(|it| levels.contains(&it.to_ascii_uppercase().as_str()))
    {
        return Err(unfit(
            "generation_config.thinking_config.thinking_level",
            "ThinkingLevel",
            level,
        ));
    }
    let calling = &body["toolConfig"]["functionCallingConfig"];
    let mode = &calling["mode"];
    let modes = ["AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"];
    if !mode.is_null() && !mode.as_str().is_some_and(|it| modes.contains(&it)) {
        return Err(unfit(
            "tool_config.function_calling_config.mode",
            "Mode",
            mode,
        ));
    }
    let named = items(&calling["allowedFunctionNames"]).next().is_some();
    if named && !matches!(mode.as_str(), Some("ANY" | "VALIDATED")) {
        return Err(Refusal::bad(
            "Allowed function names should only be set when function calling mode is ANY or VALIDATED.",
        ));
    }
    tools(body)
}

fn tools(body: &Value) -> Result<(), Refusal> {
    for (index, tool) in items(&body["tools"]).enumerate() {
        for (at, declaration) in items(&tool["functionDeclarations"]).enumerate() {
            let path = format!("GenerateContentRequest.tools[{index}].function_declarations[{at}]");
            let name = declaration["name"].as_str().unwrap_or_default();
            let fits = |it: char| it.is_ascii_alphanumeric() || "_-.:".contains(it);
            let begins = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
            if !begins || name.len() > 64 || !name.chars().all(fits) {
                return Err(Refusal::bad(format!(
                    "* {path}.name: Invalid function name. Must start with a letter or an underscore.\n"
                )));
            }
            if !declaration["parameters"].is_null()
                && !declaration["parametersJsonSchema"].is_null()
            {
                return Err(Refusal::bad(format!(
                    "* {path}: only one of parameters and parameters_json_schema may be set.\n"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses results that do not go with calls, and calls whose signature was lost.
pub(crate) fn turns(asked: &Asked) -> Result<(), Refusal> {
    let calls = |message: &Message| {
        message
            .parts
            .iter()
            .filter(|it| matches!(it, Part::Call { .. }))
            .count()
    };
    let results = |message: &Message| {
        message
            .parts
            .iter()
            .filter(|it| matches!(it, Part::Result { .. }))
            .count()
    };
    for (index, message) in asked.messages.iter().enumerate() {
        let before = index.checked_sub(1).map(|at| &asked.messages[at]);
        if calls(message) > 0 && before.is_none_or(|it| it.role == "assistant") {
            return Err(Refusal::bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
            ));
        }
        if results(message) > 0 && before.map_or(0, calls) == 0 {
            return Err(Refusal::bad(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        // One turn must answer all that were called.
        let called = before.map_or(0, calls);
        if called > 0 && results(message) != called {
            return Err(Refusal::bad(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
            ));
        }
    }
    if !asked.model.contains("gemini-3") {
        return Ok(());
    }
    // Only calls since the last question of the user are looked at.
    let asks = |message: &Message| message.role == "user" && results(message) == 0;
    let since = asked.messages.iter().rposition(asks).unwrap_or(0);
    for (index, message) in asked.messages.iter().enumerate().skip(since) {
        let first = message
            .parts
            .iter()
            .enumerate()
            .find(|(_, it)| matches!(it, Part::Call { .. }));
        if let Some((
            at,
            Part::Call {
                name,
                signed: false,
                ..
            },
        )) = first
        {
            return Err(Refusal::bad(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}`, position {at} in contents[{index}]."
            )));
        }
    }
    Ok(())
}

pub(crate) fn unfit(path: &str, kind: &str, value: &Value) -> Refusal {
    let shown: String = value.to_string().chars().take(60).collect();
    let message = format!("Invalid value at '{path}' ({kind}), {shown}");
    let violation = json!({ "field": path, "description": message });
    Refusal::bad(message).detail("BadRequest", json!({ "fieldViolations": [violation] }))
}

/// Reads a number, which may be written as a string.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// Reads a whole number, which may be written as a string; below zero there is none.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
