use serde::Deserialize;
use serde_json::Value;

use crate::{anthropic::fault, canon::Fault, halves};

/// An event of a stream, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) index: u64,
    pub(super) delta: Option<BlockDelta>,
    pub(super) content_block: Option<Value>,
    pub(super) message: Option<Value>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
}

impl Event {
    /// Reads an event; nothing if it is of a kind that is not known yet.
    pub(super) fn read(data: &[u8]) -> Result<Option<Self>, Fault> {
        match serde_json::from_slice(data) {
            Ok(event) => Ok(Some(event)),
            Err(_) => unusual(data),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Ping,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct BlockDelta {
    #[serde(rename = "type", default)]
    pub(super) kind: DeltaKind,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) partial_json: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Stop {
    pub(super) stop_reason: Option<String>,
    pub(super) stop_sequence: Option<String>,
    pub(super) stop_details: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeltaKind {
    TextDelta,
    ThinkingDelta,
    InputJsonDelta,
    SignatureDelta,
    #[default]
    #[serde(other)]
    Other,
}

/// An event that serde does not take at once: with half a character in it, or of a kind that is not known yet.
fn unusual(data: &[u8]) -> Result<Option<Event>, Fault> {
    let value: Value = halves::read(data).ok_or_else(|| fault::broken("an event is not JSON"))?;
    let kind = value.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| fault::broken("an event has no type"))?;
    if !KNOWN.contains(&kind) {
        return Ok(None);
    }
    let event = serde_json::from_value(value);
    event
        .map(Some)
        .map_err(|_| fault::broken("an event is of an unknown form"))
}

const KNOWN: [&str; 8] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
];
