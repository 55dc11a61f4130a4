use serde_json::Value;
use tollgate_core::Rejection;

use crate::{
    canon::Ask,
    json::{self, Path},
};

/// Reads a field that chat completions and completions of a text have in common; gives back the value of any other.
pub(crate) fn read(
    key: &str,
    value: Value,
    at: Path<'_>,
    ask: &mut Ask,
) -> Result<Option<Value>, Rejection> {
    match key {
        "model" => ask.model = json::text(value, at)?,
        "temperature" => ask.sampling.temperature = Some(json::number(&value, at)?),
        "top_p" => ask.sampling.top_p = Some(json::number(&value, at)?),
        // Not OpenAI's, but compatible servers know it.
        "top_k" => ask.sampling.top_k = Some(json::count(&value, at)?),
        "presence_penalty" => ask.sampling.presence_penalty = penalty(&value, at)?,
        "frequency_penalty" => ask.sampling.frequency_penalty = penalty(&value, at)?,
        "seed" => ask.sampling.seed = Some(integer(&value, at)?),
        "n" => ask.choices = choices(&value, at)?,
        "stop" => ask.stop = stop(value, at)?,
        "stream" => ask.stream = json::flag(&value, at)?,
        "stream_options" => stream_options(value, at, ask)?,
        "user" => {
            let user = json::text(value, at)?;
            ask.user.get_or_insert(user);
        }
        "logit_bias" => {
            if !json::object(value, at)?.is_empty() {
                ask.losses.field("logit_bias");
            }
        }
        _ => return Ok(Some(value)),
    }
    Ok(None)
}

/// Refuses what has no model.
pub(crate) fn finish(ask: &Ask) -> Result<(), Rejection> {
    if ask.model.is_empty() {
        return Err(json::missing(Path::Body.key("model")));
    }
    Ok(())
}

/// How many alternatives are asked for at each token.
pub(crate) fn top_logprobs(value: &Value, at: Path<'_>) -> Result<u32, Rejection> {
    let count = u32::try_from(json::count(value, at)?).ok();
    let count = count.filter(|count| *count <= MOST_LOGPROBS);
    count.ok_or_else(|| json::unfit(at, "an integer from 0 to 20"))
}

/// None if it is zero, which changes nothing.
fn penalty(value: &Value, at: Path<'_>) -> Result<Option<f64>, Rejection> {
    let penalty = json::number(value, at)?;
    Ok((penalty != 0.0).then_some(penalty))
}

fn integer(value: &Value, at: Path<'_>) -> Result<i64, Rejection> {
    let whole = || {
        let count = json::count(value, at).ok()?;
        i64::try_from(count).ok()
    };
    let integer = value.as_i64().or_else(whole);
    integer.ok_or_else(|| json::unfit(at, "an integer"))
}

fn choices(value: &Value, at: Path<'_>) -> Result<u32, Rejection> {
    let count = json::count(value, at)?;
    let fits = u32::try_from(count).ok();
    fits.filter(|it| (1..=MOST_CHOICES).contains(it))
        .ok_or_else(|| json::unfit(at, "an integer from 1 to 128"))
}

fn stop(value: Value, at: Path<'_>) -> Result<Vec<String>, Rejection> {
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::Array(texts) => texts
            .into_iter()
            .enumerate()
            .map(|(index, text)| json::text(text, at.index(index)))
            .collect(),
        _ => Err(json::unfit(at, "a string or a list of strings")),
    }
}

fn stream_options(value: Value, at: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    for (key, value) in json::object(value, at)? {
        let at = at.key(&key);
        match key.as_str() {
            _ if value.is_null() => {}
            "include_usage" => ask.stream_usage = json::flag(&value, at)?,
            "include_obfuscation" => {
                if json::flag(&value, at)? {
                    ask.losses.hint("stream_options.include_obfuscation");
                }
            }
            _ => ask.losses.field(at.to_string()),
        }
    }
    Ok(())
}

/// The most that OpenAI gives.
pub(crate) const MOST_CHOICES: u32 = 128;
/// The most alternatives that OpenAI gives.
const MOST_LOGPROBS: u32 = 20;
