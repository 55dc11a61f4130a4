use serde_json::Value;
use tollgate_core::Rejection;

use super::{
    fields::{integer, lose, object, texts},
    schema::json_schema,
};
use crate::{
    canon::{Ask, Effort, Format, Losses, Reasoning},
    json::{self, Path, unfit, wrong},
};

/// Reads `generationConfig`.
pub(super) fn read(value: Value, above: Path<'_>, ask: &mut Ask) -> Result<(), Rejection> {
    let (mut json, mut schema) = (false, None);
    let (mut wants_logprobs, mut alternatives) = (false, None);
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        let sampling = &mut ask.sampling;
        match name.as_str() {
            _ if value.is_null() => {}
            "temperature" => sampling.temperature = Some(json::number(&value, at)?),
            "topP" => sampling.top_p = Some(json::number(&value, at)?),
            "topK" => sampling.top_k = Some(json::count(&value, at)?),
            "seed" => sampling.seed = Some(integer(&value, at)?),
            "presencePenalty" => sampling.presence_penalty = Some(json::number(&value, at)?),
            "frequencyPenalty" => sampling.frequency_penalty = Some(json::number(&value, at)?),
            "maxOutputTokens" => ask.max_output = Some(json::count(&value, at)?),
            "stopSequences" => ask.stop = texts(value, at)?,
            "candidateCount" => {
                let count = u32::try_from(json::count(&value, at)?);
                ask.choices = count.map_err(|_| unfit(at, "a small number"))?.max(1);
            }
            "responseLogprobs" => wants_logprobs = json::flag(&value, at)?,
            "logprobs" => {
                let count = u32::try_from(json::count(&value, at)?);
                alternatives = Some(count.map_err(|_| unfit(at, "a small number"))?);
            }
            "responseMimeType" => match json::text(value, at)?.as_str() {
                "application/json" => json = true,
                "" | "text/plain" => {}
                _ => ask.losses.field(at.to_string()),
            },
            "responseSchema" | "responseJsonSchema" => {
                if schema.is_some() {
                    return Err(wrong(at, format!("`{at}` is the second schema")));
                }
                schema = Some(match name.as_str() {
                    "responseSchema" => json_schema(Value::Object(json::object(value, at)?)),
                    _ => value,
                });
            }
            "responseModalities" => modalities(value, at, &mut ask.losses)?,
            "thinkingConfig" => ask.reasoning = reasoning(value, at, &mut ask.losses)?,
            _ => lose(&value, at, &mut ask.losses),
        }
    }
    match (wants_logprobs, alternatives) {
        (true, count) => ask.logprobs = Some(count.unwrap_or_default()),
        (false, Some(count)) if count > 0 => ask.losses.field(above.key("logprobs").to_string()),
        (false, _) => {}
    }
    ask.format = match schema {
        Some(schema) => Format::Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        },
        None if json => Format::Json,
        None => Format::Text,
    };
    Ok(())
}

fn modalities(value: Value, at: Path<'_>, losses: &mut Losses) -> Result<(), Rejection> {
    let kinds = texts(value, at)?;
    if kinds.iter().any(|kind| !kind.eq_ignore_ascii_case("TEXT")) {
        losses.field(at.to_string());
    }
    Ok(())
}

fn reasoning(
    value: Value,
    above: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Reasoning>, Rejection> {
    let mut reasoning = Reasoning::default();
    let (mut level, mut budget) = (None, None);
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "includeThoughts" => reasoning.shown = Some(json::flag(&value, at)?),
            "thinkingBudget" => budget = Some(integer(&value, at)?),
            "thinkingLevel" => level = self::level(&json::text(value, at)?, at)?,
            _ => lose(&value, at, losses),
        }
    }
    let at = above.key("thinkingBudget");
    match (level, budget) {
        (Some(_), Some(_)) => {
            let reason = format!("`{at}` and `thinkingLevel` exclude each other");
            return Err(wrong(at, reason));
        }
        (level, None) => reasoning.effort = level,
        (None, Some(-1)) => reasoning.effort = Some(Effort::Adaptive),
        (None, Some(0)) => reasoning.effort = Some(Effort::None),
        (None, Some(tokens)) => {
            let tokens = u64::try_from(tokens);
            reasoning.budget = Some(tokens.map_err(|_| unfit(at, "at least -1"))?);
        }
    }
    Ok(Some(reasoning).filter(|it| *it != Reasoning::default()))
}

/// Google's own examples write levels in small letters as well.
fn level(name: &str, at: Path<'_>) -> Result<Option<Effort>, Rejection> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "" | "THINKING_LEVEL_UNSPECIFIED" => None,
        "MINIMAL" => Some(Effort::Minimal),
        "LOW" => Some(Effort::Low),
        "MEDIUM" => Some(Effort::Medium),
        "HIGH" => Some(Effort::High),
        "XHIGH" => Some(Effort::XHigh),
        _ => return Err(unfit(at, "MINIMAL, LOW, MEDIUM, HIGH or XHIGH")),
    })
}
