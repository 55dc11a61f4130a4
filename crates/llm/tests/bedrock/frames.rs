//! Streams as Bedrock sends them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// What Anthropic would stream.
pub(crate) fn events() -> Vec<Value> {
    vec![
        json!({ "type": "message_start", "message": {
            "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 11, "output_tokens": 1 },
        } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Grüß " } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Gott" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
            "usage": { "output_tokens": 7 } }),
        json!({ "type": "message_stop", "amazon-bedrock-invocationMetrics": { "inputTokenCount": 11 } }),
    ]
}

/// The same as events of Anthropic's own.
pub(crate) fn sse(events: &[Value]) -> String {
    let event = |data: &Value| {
        let kind = data["type"].as_str().unwrap();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    events.iter().map(event).collect()
}

pub(crate) fn chunks(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(chunk).collect()
}

pub(crate) fn exception(name: &str) -> Vec<u8> {
    let payload = json!({ "message": "not now" });
    frame(
        &[(":message-type", "exception"), (":exception-type", name)],
        &payload,
    )
}

fn chunk(event: &Value) -> Vec<u8> {
    let payload = json!({ "bytes": STANDARD.encode(event.to_string()), "p": "abcdefghi" });
    frame(
        &[(":message-type", "event"), (":event-type", "chunk")],
        &payload,
    )
}

fn frame(headers: &[(&'static str, &str)], payload: &Value) -> Vec<u8> {
    let mut message = Message::new(payload.to_string());
    for (name, value) in headers
        .iter()
        .chain(&[(":content-type", "application/json")])
    {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}
