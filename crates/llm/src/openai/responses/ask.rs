use serde_json::Value;
use tollgate_core::Rejection;

use super::{format, include::Include, input, tools};
use crate::{
    canon::{Ask, Names, Part},
    json::{self, Path},
    openai::fields,
};

/// Reads a request for a response.
pub(crate) fn read_ask(body: &[u8]) -> Result<Ask, Rejection> {
    let mut ask = Ask::new(&NAMES);
    ask.stream_usage = true; // Its streams always end with it.
    let mut asked = Asked::default();
    let mut input = false;
    for (key, value) in json::body(body)? {
        if value.is_null() {
            continue; // As good as not there.
        }
        let at = Path::Body.key(&key);
        match key.as_str() {
            "input" => {
                input = true;
                input::read(value, at, &mut ask)?;
            }
            "tools" => ask.tools = tools::read(value, at, &mut ask.losses)?,
            "tool_choice" => ask.tool_choice = tools::choice(value, at, &mut ask.losses)?,
            "text" => format::text(value, at, &mut ask)?,
            "reasoning" => format::reasoning(value, at, &mut ask)?,
            _ => asked.read(&key, value, at, &mut ask)?,
        }
    }
    if ask.model.is_empty() {
        return Err(json::missing(Path::Body.key("model")));
    }
    if !input {
        return Err(json::missing(Path::Body.key("input")));
    }
    asked.finish(&mut ask);
    Ok(ask)
}

/// What these things are called in a request for a response; some it does not have.
pub(crate) static NAMES: Names = Names {
    system: "instructions",
    turns: "input",
    tools: "tools",
    tool_choice: "tool_choice",
    parallel_tools: "parallel_tool_calls",
    max_output: "max_output_tokens",
    temperature: "temperature",
    top_p: "top_p",
    top_k: "top_k",
    seed: "seed",
    presence_penalty: "presence_penalty",
    frequency_penalty: "frequency_penalty",
    stop: "stop",
    choices: "n",
    logprobs: "top_logprobs",
    format: "text.format",
    reasoning: "reasoning",
    user: "user",
};

/// Fields that can only be judged together.
#[derive(Default)]
struct Asked {
    instructions: Option<String>,
    include: Include,
    top_logprobs: Option<u32>,
    safety_identifier: Option<String>,
}

impl Asked {
    fn read(
        &mut self,
        key: &str,
        value: Value,
        at: Path<'_>,
        ask: &mut Ask,
    ) -> Result<(), Rejection> {
        match key {
            "model" => ask.model = json::text(value, at)?,
            "instructions" => self.instructions = Some(json::text(value, at)?),
            "include" => self.include = Include::read(value, at, &mut ask.losses)?,
            "stream" => ask.stream = json::flag(&value, at)?,
            "max_output_tokens" => ask.max_output = Some(json::count(&value, at)?),
            "parallel_tool_calls" => ask.parallel_tools = Some(json::flag(&value, at)?),
            "temperature" => ask.sampling.temperature = Some(json::number(&value, at)?),
            "top_p" => ask.sampling.top_p = Some(json::number(&value, at)?),
            "top_logprobs" => self.top_logprobs = Some(fields::top_logprobs(&value, at)?),
            "user" => ask.user = Some(json::text(value, at)?),
            "safety_identifier" => self.safety_identifier = Some(json::text(value, at)?),
            "stream_options" => stream_options(value, at, ask)?,
            // Nothing is kept here, which is what a caller means who says so.
            "store" | "background" => {
                if json::flag(&value, at)? {
                    ask.losses.field(at.to_string());
                }
            }
            "truncation" if value == "disabled" => {}
            "service_tier" if value == "auto" || value == "default" => {}
            "metadata" => {
                if !json::object(value.clone(), at)?.is_empty() {
                    ask.losses.hint("metadata");
                    ask.echo.insert(key.to_owned(), value);
                }
            }
            "prompt_cache_key" => {
                let name = json::text(value, at)?;
                ask.losses.hint("prompt_cache_key");
                ask.echo.insert(key.to_owned(), name.into());
            }
            // Where a request is kept, how fast it is and what it costs; and a limit for tools that are not there.
            "prompt_cache_options"
            | "prompt_cache_retention"
            | "service_tier"
            | "max_tool_calls" => ask.losses.hint(at.to_string()),
            _ => ask.losses.field(at.to_string()),
        }
        Ok(())
    }

    fn finish(self, ask: &mut Ask) {
        let wanted = self.include.logprobs || self.top_logprobs.is_some_and(|count| count > 0);
        ask.logprobs = wanted.then_some(self.top_logprobs.unwrap_or_default());
        if let Some(instructions) = self.instructions {
            ask.echo
                .insert("instructions".to_owned(), instructions.clone().into());
            ask.system.insert(0, Part::text(instructions));
        }
        if let Some(identifier) = self.safety_identifier {
            ask.echo
                .insert("safety_identifier".to_owned(), identifier.clone().into());
            // It took the place of `user`.
            if let Some(user) = ask.user.replace(identifier) {
                if ask.user.as_ref() != Some(&user) {
                    ask.losses.hint("user");
                }
                ask.echo.insert("user".to_owned(), user.into());
            }
        } else if let Some(user) = &ask.user {
            ask.echo.insert("user".to_owned(), user.clone().into());
        }
    }
}

fn stream_options(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "include_obfuscation" => {
                if json::flag(&value, at)? {
                    ask.losses.hint(at.to_string());
                }
            }
            _ => ask.losses.field(at.to_string()),
        }
    }
    Ok(())
}
