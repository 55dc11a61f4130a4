use std::collections::HashSet;

use serde_json::Value;

use super::{
    block::{is_blank, mark},
    blocks_write::{messages, system},
    fields::{Fields, list},
    generation::Generation,
    schema,
    thinking::Thinking,
};
use crate::canon::{Ask, Format, Losses, Target, Tool, ToolChoice};

/// Writes a request for a message.
pub(crate) fn write_ask(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 12);
    let mut body = Fields::begin(&mut out);
    let cloud = Cloud::of(target.version);
    match cloud {
        Cloud::None => body.put("model", target.model),
        _ => body.put("anthropic_version", target.version), // The model stands in the path there.
    }
    body.put("max_tokens", &ask.max_output.unwrap_or(target.max_output));
    if ask.stream && cloud != Cloud::Bedrock {
        body.put("stream", &true);
    }
    let thinking = Thinking::of(ask, target, losses);
    conversation(&mut body, ask, target, thinking, losses);
    sampling(&mut body, ask, target, thinking, losses);
    if !ask.stop.is_empty() {
        let stop: Vec<_> = ask.stop.iter().filter(|stop| !is_blank(stop)).collect();
        if stop.len() < ask.stop.len() {
            losses.field(ask.names.stop);
        }
        body.maybe("stop_sequences", Some(stop).filter(|it| !it.is_empty()));
    }
    if let Some(user) = &ask.user {
        let mut metadata = Fields::begin(body.key("metadata"));
        metadata.put("user_id", user);
        metadata.end();
    }
    body.end();
    if ask.choices != 1 {
        losses.field(ask.names.choices);
    }
    if ask.logprobs.is_some() {
        losses.field(ask.names.logprobs);
    }
    out
}

/// Writes what counts as input.
pub(super) fn conversation(
    body: &mut Fields<'_>,
    ask: &Ask,
    target: &Target<'_>,
    thinking: Thinking,
    losses: &mut Losses,
) {
    system(body, ask);
    messages(body.key("messages"), ask, losses);
    tools(body, ask, target, losses);
    thinking.write(body);
    let format = format(ask, target, losses);
    if thinking.effort.is_some() || format.is_some() {
        let mut config = Fields::begin(body.key("output_config"));
        config.maybe("effort", thinking.effort);
        if let Some(schema) = format {
            let mut format = Fields::of_type(config.key("format"), "json_schema");
            format.put("schema", &schema);
            format.end();
        }
        config.end();
    }
}

fn tools(body: &mut Fields<'_>, ask: &Ask, target: &Target<'_>, losses: &mut Losses) {
    if ask.tools.is_empty() {
        return;
    }
    // Several, but not all: the others are not shown.
    let (kind, only) = match &ask.tool_choice {
        None | Some(ToolChoice::Auto) => ("auto", &[][..]),
        Some(ToolChoice::None) => ("none", &[][..]),
        Some(ToolChoice::Among(names)) => ("auto", &names[..]),
        Some(ToolChoice::Required(names)) if names.len() == 1 => ("tool", &[][..]),
        Some(ToolChoice::Required(names)) => ("any", &names[..]),
    };
    let only: HashSet<_> = only.iter().collect();
    let shown = |tool: &&Tool| only.is_empty() || only.contains(&tool.name);
    list(
        body.key("tools"),
        ask.tools.iter().filter(shown),
        |out, it| {
            tool(out, it, ask, target, losses);
            true
        },
    );
    let one_by_one = ask.parallel_tools == Some(false) && kind != "none";
    if kind == "auto" && !one_by_one && ask.tool_choice != Some(ToolChoice::Auto) {
        return;
    }
    let mut choice = Fields::of_type(body.key("tool_choice"), kind);
    if let ("tool", Some(ToolChoice::Required(names))) = (kind, &ask.tool_choice) {
        choice.put("name", &names[0]);
    }
    choice.maybe("disable_parallel_tool_use", one_by_one.then_some(true));
    choice.end();
}

fn tool(out: &mut Vec<u8>, tool: &Tool, ask: &Ask, target: &Target<'_>, losses: &mut Losses) {
    let mut fields = Fields::begin(out);
    fields.put("name", &tool.name);
    fields.maybe("description", tool.description.as_ref());
    let strict = tool.strict == Some(true);
    let held = match &tool.parameters {
        Some(schema) if strict && Generation::of(target.model).keeps_schema() => {
            let (schema, same) = schema::close(schema);
            same.then_some(schema)
        }
        _ => None,
    };
    match held.as_ref().or(tool.parameters.as_ref()) {
        Some(Value::Object(schema)) if schema.contains_key("type") => {
            fields.put("input_schema", schema);
        }
        Some(Value::Object(schema)) => {
            let mut typed = schema.clone();
            typed.insert("type".to_owned(), "object".into());
            fields.put("input_schema", &typed);
        }
        other => {
            if other.is_some() {
                losses.field(ask.names.tools);
            }
            fields.key("input_schema").extend_from_slice(NO_INPUT);
        }
    }
    if held.is_some() {
        fields.put("strict", &true);
    } else if strict && tool.parameters.is_some() {
        losses.hint(format!("{}.strict", ask.names.tools));
    }
    mark(&mut fields, tool.cached);
    fields.end();
}

/// The schema that the answer is held to.
fn format(ask: &Ask, target: &Target<'_>, losses: &mut Losses) -> Option<Value> {
    let (schema, description) = match &ask.format {
        Format::Text => return None,
        Format::Schema {
            schema,
            description,
            ..
        } if Generation::of(target.model).keeps_schema() => (schema, description),
        // There is no word for JSON of any kind, and what is put into the model's mouth is refused.
        _ => {
            losses.field(ask.names.format);
            return None;
        }
    };
    let (mut schema, same) = schema::close(schema);
    if !same {
        losses.field(ask.names.format);
    }
    if let (Some(description), Some(fields)) = (description, schema.as_object_mut())
        && !fields.contains_key("description")
    {
        fields.insert("description".to_owned(), description.as_str().into());
    }
    Some(schema)
}

fn sampling(
    body: &mut Fields<'_>,
    ask: &Ask,
    target: &Target<'_>,
    thinking: Thinking,
    losses: &mut Losses,
) {
    let (wanted, names) = (ask.sampling, ask.names);
    let generation = Generation::of(target.model);
    let fixed = forbids_sampling(target.version) || generation.fixes_sampling();
    // The default says nothing. Whoever sends another mostly does so by habit: to drop it is better than to refuse.
    let mut warm = false;
    match wanted.temperature.filter(|it| *it != 1.0) {
        Some(_) if fixed || thinking.is_on() => losses.hint(names.temperature),
        Some(temperature) => {
            if temperature > 1.0 {
                losses.hint(names.temperature);
            }
            body.put("temperature", &temperature.min(1.0));
            warm = true;
        }
        None => {}
    }
    match wanted.top_p.filter(|it| *it != 1.0) {
        Some(_) if fixed || warm && generation.takes_one_of_sampling() => {
            losses.hint(names.top_p);
        }
        Some(top_p) if thinking.is_on() && top_p < 0.95 => losses.hint(names.top_p),
        top_p => body.maybe("top_p", top_p),
    }
    match wanted.top_k {
        Some(_) if fixed || thinking.is_on() => losses.hint(names.top_k),
        top_k => body.maybe("top_k", top_k),
    }
    for (is_set, name) in [
        (wanted.seed.is_some(), names.seed),
        (is_penalty(wanted.presence_penalty), names.presence_penalty),
        (
            is_penalty(wanted.frequency_penalty),
            names.frequency_penalty,
        ),
    ] {
        if is_set {
            losses.field(name);
        }
    }
}

fn is_penalty(penalty: Option<f64>) -> bool {
    penalty.is_some_and(|it| it != 0.0)
}

/// Versions are dates; those of clouds begin with a name.
fn forbids_sampling(version: &str) -> bool {
    version.starts_with(|it: char| it.is_ascii_digit()) && version >= "2026-10-21"
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cloud {
    None,
    /// Streams by its path.
    Bedrock,
    Vertex,
}

impl Cloud {
    fn of(version: &str) -> Self {
        if version.starts_with("bedrock-") {
            Self::Bedrock
        } else if version.starts_with("vertex-") {
            Self::Vertex
        } else {
            Self::None
        }
    }
}

const NO_INPUT: &[u8] = br#"{"type":"object","properties":{}}"#;

#[cfg(test)]
mod tests;
