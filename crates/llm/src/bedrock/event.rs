use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    error::{Said, fault},
    frames::Message,
};
use crate::anthropic;

/// Makes the event of a message that Anthropic would send; nothing if there is none in it.
pub(super) fn event(message: &Message) -> Result<Option<Bytes>, &'static str> {
    match message.header(":message-type") {
        "event" if message.header(":event-type") == "chunk" => {
            let chunk: Chunk<'_> =
                serde_json::from_slice(&message.payload).map_err(|_| "stream_broken")?;
            let data = STANDARD.decode(&*chunk.bytes);
            Ok(Some(written(&data.map_err(|_| "stream_broken")?)))
        }
        "exception" => {
            let said = Said::read(&message.payload);
            Ok(Some(failure(message.header(":exception-type"), &said)))
        }
        "error" => {
            let said = Said::of(message.header(":error-message"));
            Ok(Some(failure(message.header(":error-code"), &said)))
        }
        _ => Ok(None),
    }
}

/// An event by its data. A line's end can stand between JSON's values only, where a space says the same.
fn written(data: &[u8]) -> Bytes {
    let named: Option<Named<'_>> = serde_json::from_slice(data).ok();
    let mut event = Vec::with_capacity(data.len() + 48);
    if let Some(named) = named.filter(|it| it.kind.bytes().all(is_name)) {
        event.extend_from_slice(b"event: ");
        event.extend_from_slice(named.kind.as_bytes());
        event.push(b'\n');
    }
    event.extend_from_slice(b"data: ");
    let start = event.len();
    event.extend_from_slice(data);
    for byte in &mut event[start..] {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    event.extend_from_slice(b"\n\n");
    event.into()
}

fn failure(kind: &str, said: &Said) -> Bytes {
    let (_, error) = anthropic::write_fault(&fault(kind, None, said));
    let mut event = Vec::with_capacity(error.len() + 32);
    event.extend_from_slice(b"event: error\ndata: ");
    event.extend_from_slice(&error);
    event.extend_from_slice(b"\n\n");
    event.into()
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}
