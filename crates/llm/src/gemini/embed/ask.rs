use serde::Serialize;
use serde_json::Value;
use tollgate_core::Rejection;

use crate::{
    canon::{EmbedAsk, Losses, Target},
    gemini::{
        NAMES,
        count::resource,
        fields::{list, lose, object},
        wire::{self, Content, Part},
    },
    json::{self, Path, missing},
};

/// Reads a question for the vectors of one text, or of several.
pub(crate) fn read_embed_ask(body: &[u8], model: &str, batch: bool) -> Result<EmbedAsk, Rejection> {
    let mut ask = EmbedAsk {
        model: model.to_owned(),
        inputs: Vec::new(),
        dimensions: None,
        task: None,
        names: &NAMES,
        losses: Losses::default(),
    };
    let body = Value::Object(json::body(body)?);
    if !batch {
        let one = one(body, Path::Body, &mut ask)?;
        (ask.dimensions, ask.task) = (one.dimensions, one.task);
        return Ok(ask);
    }
    let above = Path::Body;
    let mut first: Option<Options> = None;
    for (name, value) in object(body, above)? {
        let at = above.key(&name);
        match name.as_str() {
            "requests" => {
                for (index, value) in list(value, at)?.into_iter().enumerate() {
                    let at = at.index(index);
                    let next = one(value, at, &mut ask)?;
                    let first = first.get_or_insert_with(|| next.clone());
                    // Others take these once for all texts.
                    if first.dimensions != next.dimensions {
                        ask.losses.field(at.key("outputDimensionality").to_string());
                    }
                    if first.task != next.task {
                        ask.losses.field(at.key("taskType").to_string());
                    }
                }
            }
            _ => lose(&value, at, &mut ask.losses),
        }
    }
    let options = first.ok_or_else(|| missing(above.key("requests")))?;
    (ask.dimensions, ask.task) = (options.dimensions, options.task);
    Ok(ask)
}

/// Asks Google for the vectors of several texts, be it one.
pub(crate) fn write_embed_ask(ask: &EmbedAsk, target: &Target<'_>, _: &mut Losses) -> Vec<u8> {
    let model = resource(target.model);
    let requests = ask.inputs.iter().map(|text| One {
        model: &model,
        content: Content {
            parts: vec![Part::text(text)],
            role: None,
        },
        task_type: ask.task.as_deref(),
        output_dimensionality: ask.dimensions,
    });
    wire::json(&Batch {
        requests: requests.collect(),
    })
}

#[derive(Clone, Default)]
struct Options {
    dimensions: Option<u64>,
    task: Option<String>,
}

fn one(value: Value, above: Path<'_>, ask: &mut EmbedAsk) -> Result<Options, Rejection> {
    let mut options = Options::default();
    let mut input = None;
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "model" => {} // The path says which.
            "content" => input = Some(text(value, at, &mut ask.losses)?),
            "taskType" => {
                let task = json::text(value, at)?;
                options.task =
                    Some(task).filter(|it| !it.is_empty() && it != "TASK_TYPE_UNSPECIFIED");
            }
            "outputDimensionality" => options.dimensions = Some(json::count(&value, at)?),
            _ => lose(&value, at, &mut ask.losses),
        }
    }
    ask.inputs
        .push(input.ok_or_else(|| missing(above.key("content")))?);
    Ok(options)
}

/// The text of a content; its parts are one text.
fn text(value: Value, above: Path<'_>, losses: &mut Losses) -> Result<String, Rejection> {
    let mut texts = Vec::new();
    for (name, value) in object(value, above)? {
        let at = above.key(&name);
        match name.as_str() {
            _ if value.is_null() => {}
            "role" => {}
            "parts" => {
                for (index, part) in list(value, at)?.into_iter().enumerate() {
                    let at = at.index(index);
                    for (name, value) in object(part, at)? {
                        let at = at.key(&name);
                        match name.as_str() {
                            "text" if !value.is_null() => texts.push(json::text(value, at)?),
                            _ => lose(&value, at, losses),
                        }
                    }
                }
            }
            _ => lose(&value, at, losses),
        }
    }
    Ok(texts.join("\n"))
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}
