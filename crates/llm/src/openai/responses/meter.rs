use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};
use tollgate_core::fact::Usage;

/// Whether an event ends a stream, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ends {
    /// It does not.
    No,
    Completed,
    /// The answer is cut: too long, or not to be said.
    Incomplete,
    Failed,
    /// An error; a failed response may follow.
    Error,
}

/// What an event's data say of the stream's end.
pub(crate) fn ends(data: &[u8]) -> Ends {
    // Nearly every event begins with its type, and a key is nowhere but where it stands.
    if let Some(rest) = data.strip_prefix(TYPE)
        && let Some(end) = memchr::memchr2(b'"', b'\\', rest)
        && rest[end] == b'"'
    {
        return named(&rest[..end]);
    }
    match serde_json::from_slice(data) {
        Ok(Event {
            r#type: Some(kind), ..
        }) => named(kind.as_bytes()),
        Ok(Event { error: Some(_), .. }) => Ends::Error,
        _ => Ends::No,
    }
}

/// The usage that a plain response tells.
pub(crate) fn usage(body: &[u8]) -> Option<Usage> {
    let response: Response = serde_json::from_slice(body).ok()?;
    counted(response.usage?.as_object()?)
}

/// The usage as an event tells it, or as it was known; only events that end a stream have it.
pub(crate) fn stream_usage(data: &[u8], so_far: Option<Usage>) -> Option<Usage> {
    match ends(data) {
        Ends::No | Ends::Error => so_far,
        Ends::Completed | Ends::Incomplete | Ends::Failed => last(data).or(so_far),
    }
}

fn named(kind: &[u8]) -> Ends {
    match kind {
        b"response.completed" => Ends::Completed,
        b"response.incomplete" => Ends::Incomplete,
        b"response.failed" | b"response.cancelled" => Ends::Failed,
        b"error" => Ends::Error,
        _ => Ends::No,
    }
}

fn last(data: &[u8]) -> Option<Usage> {
    let last: Last = serde_json::from_slice(data).ok()?;
    counted(last.response.usage?.as_object()?)
}

/// What is no count (negative, a fraction, text) is never a refund, and without a count of the output nothing is said.
/// OpenAI's input includes what was cached; ours does not.
fn counted(usage: &Map<String, Value>) -> Option<Usage> {
    let output = usage.get("output_tokens").and_then(Value::as_u64)?;
    let count = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
    let part = |of: &str, name: &str| count(usage.get(of).and_then(|part| part.get(name)));
    let read = part("input_tokens_details", "cached_tokens");
    let write = part("input_tokens_details", "cache_write_tokens");
    Some(Usage {
        input: count(usage.get("input_tokens")).saturating_sub(read.saturating_add(write)),
        cache_read: read,
        cache_write: write,
        output,
        reasoning: part("output_tokens_details", "reasoning_tokens"),
        ..Usage::default()
    })
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Last {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    usage: Option<Value>,
}

const TYPE: &[u8] = b"{\"type\":\"";
