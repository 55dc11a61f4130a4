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

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message as Written};
    use base64::{Engine, engine::general_purpose::STANDARD};

    use crate::bedrock::EventStream;

    fn read(
        headers: &[(&'static str, &str)],
        payload: &str,
    ) -> Result<Option<String>, &'static str> {
        let mut message = Written::new(payload.to_owned());
        for (name, value) in headers {
            let value = HeaderValue::String((*value).to_owned().into());
            message = message.add_header(Header::new(*name, value));
        }
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        let mut stream = EventStream::default();
        stream.push(&bytes);
        let event = stream.next()?;
        Ok(event.map(|it| String::from_utf8(it.to_vec()).unwrap()))
    }

    fn chunk(data: &str) -> Result<Option<String>, &'static str> {
        let payload = format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, STANDARD.encode(data));
        read(
            &[(":message-type", "event"), (":event-type", "chunk")],
            &payload,
        )
    }

    #[test]
    fn a_chunk_is_an_event_of_its_type() {
        for (data, expected) in [
            (
                r#"{"type":"ping"}"#,
                "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            ),
            (
                "{\r\n\"type\": \"message_stop\"}\n",
                "event: message_stop\ndata: {  \"type\": \"message_stop\"} \n\n",
            ),
            (
                r#"{"type":"a\nevent: b"}"#,
                "data: {\"type\":\"a\\nevent: b\"}\n\n",
            ),
            ("{}", "data: {}\n\n"),
        ] {
            assert_eq!(chunk(data), Ok(Some(expected.to_owned())), "{data}");
        }
    }

    #[test]
    fn an_exception_is_an_error_in_anthropics_words() {
        for (name, kind) in [
            ("throttlingException", "rate_limit_error"),
            ("validationException", "invalid_request_error"),
            ("modelStreamErrorException", "api_error"),
            ("modelTimeoutException", "timeout_error"),
            ("serviceUnavailableException", "overloaded_error"),
            ("internalServerException", "api_error"),
            ("newException", "api_error"),
        ] {
            let headers = [(":message-type", "exception"), (":exception-type", name)];
            let event = read(&headers, r#"{"message":"too \"many\""}"#)
                .unwrap()
                .unwrap();
            let data = event.strip_prefix("event: error\ndata: ").unwrap();
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["error"]["type"], kind, "{name}");
            assert_eq!(data["error"]["message"], "too \"many\"");
            assert_eq!(data["error"]["details"]["error_code"], name);
        }
        let headers = [
            (":message-type", "error"),
            (":error-code", "InternalError"),
            (":error-message", "broken"),
        ];
        let event = read(&headers, "").unwrap().unwrap();
        assert!(event.contains("api_error") && event.contains("broken"));
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_what_is_broken_is_not() {
        for headers in [
            &[][..],
            &[(":message-type", "event")],
            &[(":message-type", "event"), (":event-type", "metadata")],
            &[(":message-type", "initial-response")],
        ] {
            assert_eq!(read(headers, "{}"), Ok(None), "{headers:?}");
        }
        let headers = [(":message-type", "event"), (":event-type", "chunk")];
        for payload in ["", "{}", r#"{"bytes":7}"#, r#"{"bytes":"?"}"#] {
            assert_eq!(read(&headers, payload), Err("stream_broken"), "{payload}");
        }
    }
}
