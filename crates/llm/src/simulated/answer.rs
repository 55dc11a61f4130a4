use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{
    Stats,
    stream::{Answering, Pace, Piece},
};

/// What a model's name asks to go wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Error(StatusCode),
    Cut,
    Stall,
    Slow,
    Nonsense,
    NoUsage,
}

impl Fault {
    pub(super) fn of(model: &str) -> Option<Self> {
        let ends = |end| model.ends_with(end);
        match () {
            () if ends("cut") => Some(Self::Cut),
            () if ends("stall") => Some(Self::Stall),
            () if ends("slow") => Some(Self::Slow),
            () if ends("nonsense") => Some(Self::Nonsense),
            () if ends("no-usage") => Some(Self::NoUsage),
            () => {
                let (_, status) = model.rsplit_once("error-")?;
                status.parse().ok().map(Self::Error)
            }
        }
    }
}

/// What a provider answers to requests that it does not serve.
pub(super) fn refusal(asked: &Value, fault: Option<Fault>) -> Option<Response<Answering>> {
    match fault {
        Some(Fault::Error(status)) => {
            let mut response = error(status, "simulated_error", "This error was asked for.");
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(1));
            return Some(response);
        }
        Some(Fault::Nonsense) => {
            let page = Bytes::from_static(b"<html><body>It works!</body></html>");
            let mut response = Response::new(Answering::whole(page));
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(CONTENT_TYPE, html);
            return Some(response);
        }
        _ => {}
    }
    let unfit = |field: &str, fits: &dyn Fn(f64) -> bool| {
        let value = &asked[field];
        let fit = value.is_null() || value.as_f64().is_some_and(fits);
        (!fit).then(|| {
            let message = format!("Invalid value for '{field}'.");
            error(StatusCode::BAD_REQUEST, "invalid_value", &message)
        })
    };
    unfit("n", &|n| (1.0..=128.0).contains(&n))
        .or_else(|| unfit("max_tokens", &|max| max >= 1.0))
        .or_else(|| unfit("max_completion_tokens", &|max| max >= 1.0))
        .or_else(|| unfit("temperature", &|it| (0.0..=2.0).contains(&it)))
}

/// A chat completion, or a plain one.
pub(super) fn text(
    chat: bool,
    asked: &Value,
    fault: Option<Fault>,
    pace: Pace,
    stats: Stats,
) -> Response<Answering> {
    let question = if chat {
        last_message(&asked["messages"])
    } else {
        string(&asked["prompt"])
    };
    let input = tokens(&if chat {
        asked["messages"].to_string()
    } else {
        question.clone()
    });
    let shown: String = question.chars().take(60).collect();
    let mut words: Vec<String> = format!("This is a simulated answer to: {shown}")
        .split_inclusive(' ')
        .map(str::to_owned)
        .collect();
    let limit = [&asked["max_completion_tokens"], &asked["max_tokens"]]
        .into_iter()
        .find_map(Value::as_u64);
    let limit = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let finish = if words.len() > limit {
        "length"
    } else {
        "stop"
    };
    words.truncate(limit);
    let choices = asked["n"].as_u64().unwrap_or(1);
    let output = words.len() as u64 * choices;
    let usage = json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": { "cached_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": 0 },
    });
    let usage = if fault == Some(Fault::NoUsage) {
        Value::Null
    } else {
        usage
    };
    stats.bill(input, 0);
    let head = Head {
        chat,
        model: asked["model"].clone(),
        created: now(),
    };
    if asked["stream"] == json!(true) {
        let wants_usage = asked["stream_options"]["include_usage"] == json!(true);
        let usage = if wants_usage { usage } else { Value::Null };
        let mut pieces = head.chunks(&words, choices, finish, &usage);
        let half = pieces.len() / 2;
        match fault {
            Some(Fault::Cut) => pieces[half] = Piece::Cut,
            Some(Fault::Stall) => pieces[half] = Piece::Stall,
            _ => {}
        }
        let mut response = Response::new(Answering::stream(pieces, pace, stats));
        let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, events);
        return response;
    }
    stats.bill(0, output);
    let text = words.concat();
    let choice = |index| match chat {
        true => json!({
            "index": index, "finish_reason": finish, "logprobs": null,
            "message": { "role": "assistant", "content": text, "refusal": null },
        }),
        false => json!({ "index": index, "finish_reason": finish, "logprobs": null, "text": text }),
    };
    let mut answer = head.json(if chat {
        "chat.completion"
    } else {
        "text_completion"
    });
    answer["choices"] = (0..choices).map(choice).collect();
    if !usage.is_null() {
        answer["usage"] = usage;
    }
    match fault {
        Some(Fault::Cut) => {
            let whole = answer.to_string();
            let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
            let pieces = [Piece::Bytes(half, 0), Piece::Cut].into();
            let mut response = Response::new(Answering::stream(pieces, pace, stats));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        Some(Fault::Stall) => {
            let mut response = Response::new(Answering::stream([Piece::Stall].into(), pace, stats));
            response.headers_mut().insert(CONTENT_TYPE, JSON);
            response
        }
        _ => json(&answer),
    }
}

/// Vectors that depend on their texts alone.
pub(super) fn embeddings(asked: &Value, stats: &Stats) -> Response<Answering> {
    let texts: Vec<String> = match &asked["input"] {
        Value::Array(texts) if texts.first().is_some_and(|it| !it.is_number()) => {
            texts.iter().map(string).collect()
        }
        text => vec![string(text)],
    };
    let dimensions = asked["dimensions"].as_u64().unwrap_or(8).min(4096);
    let base64 = asked["encoding_format"] == json!("base64");
    let vector = |(index, text): (usize, &String)| {
        let numbers = numbers(text, dimensions);
        let embedding = if base64 {
            json!(encoded(&numbers))
        } else {
            json!(numbers)
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let input = texts.iter().map(|text| tokens(text)).sum::<u64>();
    stats.bill(input, 0);
    let data: Vec<_> = texts.iter().enumerate().map(vector).collect();
    json(&json!({
        "object": "list", "data": data, "model": asked["model"],
        "usage": { "prompt_tokens": input, "total_tokens": input },
    }))
}

pub(super) fn models() -> Value {
    let model = |name| json!({ "id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulated" });
    let models = ["sim-small", "sim-large", "sim-embed"].map(model);
    json!({ "object": "list", "data": models })
}

pub(super) fn json(value: &Value) -> Response<Answering> {
    let mut response = Response::new(Answering::whole(value.to_string().into()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Answering> {
    let kind = match status.as_u16() {
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let mut response = json(&json!({
        "error": { "message": message, "type": kind, "param": null, "code": code }
    }));
    *response.status_mut() = status;
    response
}

/// What all parts of an answer have in common.
struct Head {
    chat: bool,
    model: Value,
    created: u64,
}

impl Head {
    fn json(&self, object: &str) -> Value {
        let id = if self.chat {
            "chatcmpl-sim"
        } else {
            "cmpl-sim"
        };
        json!({
            "id": id, "object": object, "created": self.created, "model": self.model,
            "system_fingerprint": "fp_sim",
        })
    }

    fn chunks(
        &self,
        words: &[String],
        choices: u64,
        finish: &str,
        usage: &Value,
    ) -> VecDeque<Piece> {
        let object = if self.chat {
            "chat.completion.chunk"
        } else {
            "text_completion"
        };
        let chunk = |choices: Value, usage: &Value| {
            let mut chunk = self.json(object);
            chunk["choices"] = choices;
            chunk["usage"] = usage.clone();
            Bytes::from(format!("data: {chunk}\n\n"))
        };
        let choice = |index: u64, delta: Value, finish: Value| match self.chat {
            true => {
                json!([{ "index": index, "delta": delta, "logprobs": null, "finish_reason": finish }])
            }
            false => {
                let text = delta["content"].as_str().unwrap_or_default();
                json!([{ "index": index, "text": text, "logprobs": null, "finish_reason": finish }])
            }
        };
        let mut pieces = VecDeque::new();
        for index in 0..choices {
            for (at, word) in words.iter().enumerate() {
                let delta = match at {
                    0 => json!({ "role": "assistant", "content": word }),
                    _ => json!({ "content": word }),
                };
                let bytes = chunk(choice(index, delta, Value::Null), &Value::Null);
                pieces.push_back(Piece::Bytes(bytes, 1));
            }
            let last = chunk(choice(index, json!({}), json!(finish)), &Value::Null);
            pieces.push_back(Piece::Bytes(last, 0));
        }
        if !usage.is_null() {
            pieces.push_back(Piece::Bytes(chunk(json!([]), usage), 0));
        }
        pieces.push_back(Piece::Bytes(Bytes::from_static(b"data: [DONE]\n\n"), 0));
        pieces
    }
}

fn last_message(messages: &Value) -> String {
    let last = messages.as_array().and_then(|messages| messages.last());
    last.map(|message| string(&message["content"]))
        .unwrap_or_default()
}

/// A string as it is, anything else as JSON.
fn string(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

fn numbers(text: &str, dimensions: u64) -> Vec<f32> {
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut number = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..dimensions).map(&mut number).collect()
}

/// Little-endian floats in base64, as the SDKs ask for them.
fn encoded(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    BASE64_STANDARD.encode(bytes)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs())
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
