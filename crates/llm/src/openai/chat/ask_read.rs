use serde_json::Value;
use tollgate_core::Rejection;

use super::{format_read, message_read, tool_read};
use crate::{
    canon::{Ask, Effort, Names, Reasoning},
    json::{self, Path},
    openai::fields,
};

/// Reads a request for a chat completion.
pub(crate) fn read_ask(body: &[u8]) -> Result<Ask, Rejection> {
    let mut ask = Ask::new(&NAMES);
    let mut asked = Asked::default();
    let mut messages = false;
    for (key, value) in json::body(body)? {
        if value.is_null() {
            continue; // As good as not there, wherever that is allowed.
        }
        let at = Path::Body.key(&key);
        let Some(value) = fields::read(&key, value, at, &mut ask)? else {
            continue;
        };
        match key.as_str() {
            "messages" => {
                messages = true;
                message_read::read(value, at, &mut ask)?;
            }
            "tools" => ask.tools = tool_read::tools(value, at, &mut ask.losses)?,
            "tool_choice" => {
                ask.tool_choice = tool_read::choice(value, at, &mut ask.losses)?;
            }
            "response_format" => ask.format = format_read::read(value, at, &mut ask.losses)?,
            _ => asked.read(&key, value, at, &mut ask)?,
        }
    }
    fields::finish(&ask)?;
    if !messages {
        return Err(json::missing(Path::Body.key("messages")));
    }
    asked.finish(&mut ask)?;
    tool_read::check_choice(&mut ask)?;
    Ok(ask)
}

/// Fields of which two say one thing.
#[derive(Default)]
struct Asked {
    max_completion_tokens: Option<u64>,
    max_tokens: Option<u64>,
    logprobs: bool,
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
            "max_completion_tokens" => self.max_completion_tokens = Some(json::count(&value, at)?),
            "max_tokens" => self.max_tokens = Some(json::count(&value, at)?),
            "parallel_tool_calls" => ask.parallel_tools = Some(json::flag(&value, at)?),
            "reasoning_effort" => ask.reasoning = Some(reasoning(value, at)?),
            "logprobs" => self.logprobs = json::flag(&value, at)?,
            "top_logprobs" => self.top_logprobs = Some(fields::top_logprobs(&value, at)?),
            "safety_identifier" => self.safety_identifier = Some(json::text(value, at)?),
            // What says nothing, or no more than what comes anyway.
            "store" if value == false => {}
            "service_tier" if value == "auto" || value == "default" => {}
            "verbosity" if value == "medium" => {}
            "modalities" if value == serde_json::json!(["text"]) => {}
            "metadata" if value.as_object().is_some_and(|it| it.is_empty()) => {}
            // Where the request is kept, how fast it is and what it costs. A prediction only saves time.
            "metadata"
            | "prediction"
            | "prompt_cache_key"
            | "prompt_cache_options"
            | "prompt_cache_retention"
            | "service_tier"
            | "store" => {
                ask.losses.hint(at.to_string());
            }
            _ => ask.losses.field(at.to_string()),
        }
        Ok(())
    }

    fn finish(self, ask: &mut Ask) -> Result<(), Rejection> {
        let (new, old) = (self.max_completion_tokens, self.max_tokens);
        if new.is_some() && old.is_some() && new != old {
            let message = "`max_tokens` and `max_completion_tokens` cannot both be set";
            return Err(json::wrong(Path::Body.key("max_tokens"), message));
        }
        ask.max_output = new.or(old);
        if !self.logprobs && self.top_logprobs.is_some_and(|count| count > 0) {
            let message = "`top_logprobs` needs `logprobs` to be true";
            return Err(json::wrong(Path::Body.key("top_logprobs"), message));
        }
        ask.logprobs = self
            .logprobs
            .then_some(self.top_logprobs.unwrap_or_default());
        if let Some(identifier) = self.safety_identifier
            && ask.user.as_ref() != Some(&identifier)
        {
            // It took the place of `user`.
            if ask.user.replace(identifier).is_some() {
                ask.losses.hint("user");
            }
        }
        Ok(())
    }
}

fn reasoning(value: Value, at: Path<'_>) -> Result<Reasoning, Rejection> {
    let expected = "none, minimal, low, medium, high, xhigh or max";
    let effort = Effort::named(&json::text(value, at)?);
    Ok(Reasoning {
        effort: Some(effort.ok_or_else(|| json::unfit(at, expected))?),
        ..Reasoning::default()
    })
}

/// What chat completions call things.
pub(crate) static NAMES: Names = Names {
    system: "messages",
    turns: "messages",
    tools: "tools",
    tool_choice: "tool_choice",
    parallel_tools: "parallel_tool_calls",
    max_output: "max_completion_tokens",
    temperature: "temperature",
    top_p: "top_p",
    top_k: "top_k",
    seed: "seed",
    presence_penalty: "presence_penalty",
    frequency_penalty: "frequency_penalty",
    stop: "stop",
    choices: "n",
    logprobs: "logprobs",
    format: "response_format",
    reasoning: "reasoning_effort",
    user: "user",
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read_ask;
    use crate::canon::{Ask, Effort, Format, ToolChoice};

    fn read(fields: Value) -> Ask {
        try_read(fields).unwrap()
    }

    fn try_read(fields: Value) -> Result<Ask, tollgate_core::Rejection> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let more = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        read_ask(body.to_string().as_bytes())
    }

    fn lost(ask: &Ask) -> (Vec<&str>, Vec<&str>) {
        let fields: Vec<&str> = ask.losses.fields().iter().map(AsRef::as_ref).collect();
        let hints = ask.losses.all().skip(fields.len()).collect();
        (fields, hints)
    }

    #[test]
    fn what_the_form_has_a_place_for_is_read() {
        let ask = read(json!({
            "max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "seed": -7, "n": 2,
            "presence_penalty": 1, "frequency_penalty": -1, "stop": "x", "logprobs": true, "top_logprobs": 2,
            "reasoning_effort": "xhigh", "user": "u", "stream": true, "parallel_tool_calls": false,
            "stream_options": {"include_usage": true, "include_obfuscation": false},
            "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}],
            "tool_choice": "required",
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": true}},
        }));

        assert_eq!(lost(&ask), (vec![], vec![]));
        let sampling = ask.sampling;
        assert_eq!((ask.max_output, ask.choices), (Some(9), 2));
        assert_eq!(
            (sampling.temperature, sampling.top_p, sampling.top_k),
            (Some(0.5), Some(0.25), Some(3))
        );
        assert_eq!(
            (
                sampling.seed,
                sampling.presence_penalty,
                sampling.frequency_penalty
            ),
            (Some(-7), Some(1.0), Some(-1.0))
        );
        assert_eq!((&*ask.stop[0], ask.logprobs), ("x", Some(2)));
        assert_eq!(ask.reasoning.unwrap().effort, Some(Effort::XHigh));
        assert_eq!(ask.user.as_deref(), Some("u"));
        assert!(ask.stream && ask.stream_usage);
        assert_eq!(ask.parallel_tools, Some(false));
        assert_eq!(
            (&*ask.tools[0].name, ask.tools[0].strict),
            ("f", Some(true))
        );
        assert_eq!(ask.tool_choice, Some(ToolChoice::Required(vec![])));
        let Format::Schema { name, strict, .. } = ask.format else {
            panic!("{:?}", ask.format);
        };
        assert_eq!((name.as_deref(), strict), (Some("s"), Some(true)));
    }

    #[test]
    fn defaults_and_nulls_say_nothing() {
        let said = read(json!({
            "temperature": null, "n": 1, "presence_penalty": 0, "stop": null, "logprobs": false, "top_logprobs": 0,
            "logit_bias": {}, "store": false, "metadata": {}, "service_tier": "auto", "verbosity": "medium",
            "modalities": ["text"], "response_format": {"type": "text"}, "tool_choice": "auto", "functions": null,
            "stream": false, "stream_options": null, "unheard_of": null,
        }));
        assert_eq!(said, read(json!({})));
    }

    #[test]
    fn what_has_no_place_is_named() {
        let ask = read(json!({
            "logit_bias": {"50256": -100}, "verbosity": "low", "modalities": ["text", "audio"], "audio": {"voice": "a"},
            "web_search_options": {}, "functions": [], "unheard_of": 1, "stream_options": {"x": 1},
            "service_tier": "flex", "metadata": {"a": "b"}, "prompt_cache_key": "k", "store": true,
            "prediction": {"type": "content", "content": "c"},
        }));
        let (mut fields, mut hints) = lost(&ask);
        fields.sort_unstable();
        hints.sort_unstable();
        let expected = [
            "audio",
            "functions",
            "logit_bias",
            "modalities",
            "stream_options.x",
            "unheard_of",
            "verbosity",
            "web_search_options",
        ];
        assert_eq!(fields, expected);
        let expected = [
            "metadata",
            "prediction",
            "prompt_cache_key",
            "service_tier",
            "store",
        ];
        assert_eq!(hints, expected);
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        for (fields, param) in [
            (json!({"model": 1}), "model"),
            (json!({"model": ""}), "model"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": null}), "messages"),
            (json!({"temperature": "hot"}), "temperature"),
            (json!({"n": 0}), "n"),
            (json!({"n": 129}), "n"),
            (json!({"seed": 1.5}), "seed"),
            (json!({"seed": u64::MAX}), "seed"),
            (json!({"stop": ["a", 1]}), "stop[1]"),
            (json!({"top_logprobs": 3}), "top_logprobs"),
            (
                json!({"max_tokens": 1, "max_completion_tokens": 2}),
                "max_tokens",
            ),
            (json!({"reasoning_effort": "much"}), "reasoning_effort"),
            (json!({"stream": "yes"}), "stream"),
            (
                json!({"stream_options": {"include_usage": 1}}),
                "stream_options.include_usage",
            ),
            (
                json!({"response_format": {"type": "xml"}}),
                "response_format.type",
            ),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (
                json!({"tools": [{"type": "function"}]}),
                "tools[0].function",
            ),
            (json!({"tools": {}}), "tools"),
        ] {
            let refused = try_read(fields.clone()).unwrap_err();
            assert_eq!(refused.details()["param"], param, "{fields}");
        }
    }

    #[test]
    fn the_newer_name_of_the_user_counts() {
        let ask = read(json!({"user": "old", "safety_identifier": "new"}));
        assert_eq!(ask.user.as_deref(), Some("new"));
        assert_eq!(lost(&ask), (vec![], vec!["user"]));
    }
}
