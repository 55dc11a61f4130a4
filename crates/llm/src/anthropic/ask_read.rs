use serde_json::Value;
use tollgate_core::Rejection;

use super::{NAMES, blocks_read::Blocks, config_read as config, media::take};
use crate::{
    canon::{Ask, Losses, Part, Role, Turn},
    json::{self, Path},
};

/// Reads a request for a message, or for how long one is.
///
/// # Errors
/// If it is none. `max_tokens` may be missing, as it is where tokens are counted.
pub(crate) fn read_ask(body: &[u8]) -> Result<Ask, Rejection> {
    let mut ask = Ask::new(&NAMES);
    let mut blocks = Blocks::default();
    let mut fields = json::body(body)?;
    let cached = blocks.mark(&mut fields, Path::Body)?;
    let output_config = fields.remove("output_config");
    let (mut has_model, mut messages) = (false, None);
    for (name, value) in fields {
        let at = Path::Body.key(&name);
        match &*name {
            "model" => {
                ask.model = json::text(value, at)?;
                has_model = !ask.model.is_empty();
            }
            "messages" => messages = Some(value),
            _ if value.is_null() => {}
            "system" => ask.system = blocks.texts(value, at)?,
            "max_tokens" => ask.max_output = Some(json::count(&value, at)?),
            "temperature" => ask.sampling.temperature = Some(json::number(&value, at)?),
            "top_p" => ask.sampling.top_p = Some(json::number(&value, at)?),
            "top_k" => ask.sampling.top_k = Some(json::count(&value, at)?),
            "stop_sequences" => ask.stop = texts(value, at)?,
            "stream" => ask.stream = json::flag(&value, at)?,
            "tools" => ask.tools = config::tools(value, at, &mut blocks)?,
            "tool_choice" => config::tool_choice(value, at, &mut ask, &mut blocks.losses)?,
            "thinking" => config::thinking(value, at, &mut ask, &mut blocks.losses)?,
            "output_format" => ask.format = config::format(value, at, &mut blocks.losses)?,
            "metadata" => metadata(value, at, &mut ask, &mut blocks.losses)?,
            "service_tier" if value == "auto" => {}
            "speed" if value == "standard" => {}
            // Cost, speed and bookkeeping.
            "service_tier" | "speed" | "diagnostics" | "user_profile_id" | "workspace_id"
            | "anthropic_beta" => blocks.losses.hint(name),
            "anthropic_version" => {} // Clouds want it in the body.
            "mcp_servers" if value.as_array().is_some_and(Vec::is_empty) => {}
            _ => blocks.losses.field(at.to_string()),
        }
    }
    if !has_model {
        return Err(json::missing(Path::Body.key("model")));
    }
    if let Some(value) = output_config.filter(|it| !it.is_null()) {
        let at = Path::Body.key("output_config");
        config::output_config(value, at, &mut ask, &mut blocks.losses)?;
    }
    let at = Path::Body.key("messages");
    let messages = messages.ok_or_else(|| json::missing(at))?;
    turns(messages, at, &mut blocks, &mut ask)?;
    if cached {
        mark_last(&mut ask);
    }
    ask.losses = blocks.losses;
    ask.stream_usage = true;
    Ok(ask)
}

fn turns(
    messages: Value,
    at: Path<'_>,
    blocks: &mut Blocks,
    ask: &mut Ask,
) -> Result<(), Rejection> {
    let messages = json::list(messages, at)?;
    if messages.is_empty() {
        return Err(json::wrong(at, "`messages` must have a message at least"));
    }
    ask.turns.reserve(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let at = at.index(index);
        let mut fields = json::object(message, at)?;
        let role = take(&mut fields, "role", at)?;
        let inside = at.key("content");
        let content = fields.remove("content");
        let content = content.ok_or_else(|| json::missing(inside))?;
        let role = match &*role {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => {
                // It stands above the conversation then, and no longer in its midst.
                blocks.losses.hint(at.key("role").to_string());
                ask.system.extend(blocks.texts(content, inside)?);
                continue;
            }
            _ => {
                return Err(json::unfit(
                    at.key("role"),
                    "`user`, `assistant` or `system`",
                ));
            }
        };
        let parts = blocks.content(content, inside, role)?;
        blocks.losses.rest(fields, at);
        ask.turns.push(Turn {
            role,
            parts,
            at: index,
        });
    }
    Ok(())
}

fn metadata(
    value: Value,
    at: Path<'_>,
    ask: &mut Ask,
    losses: &mut Losses,
) -> Result<(), Rejection> {
    for (name, value) in json::object(value, at)? {
        match &*name {
            _ if value.is_null() => {}
            "user_id" => ask.user = Some(json::text(value, at.key(&name))?),
            _ => losses.hint(at.key(&name).to_string()),
        }
    }
    Ok(())
}

fn texts(value: Value, at: Path<'_>) -> Result<Vec<String>, Rejection> {
    let texts = json::list(value, at)?.into_iter().enumerate();
    texts
        .map(|(index, it)| json::text(it, at.index(index)))
        .collect()
}

/// A mark on the whole request stands for one at the end of the conversation.
fn mark_last(ask: &mut Ask) {
    let parts = ask
        .turns
        .iter_mut()
        .rev()
        .flat_map(|turn| turn.parts.iter_mut().rev());
    for part in parts {
        match part {
            Part::Text { cached, .. }
            | Part::ToolCall { cached, .. }
            | Part::ToolResult { cached, .. } => *cached = true,
            Part::Media(media) => media.cached = true,
            _ => continue,
        }
        return;
    }
}

#[cfg(test)]
mod tests;
