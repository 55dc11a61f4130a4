use bytes::Bytes;
use serde::Serialize;

/// An error after the head of a stream of OpenAI's responses has gone out, where nobody knows how far it came.
pub(crate) fn error_event(message: &str, code: &str) -> Bytes {
    let mut out = b"event: error\ndata: ".to_vec();
    let written = serde_json::to_writer(&mut out, &Event::new(message, code, 0));
    debug_assert!(written.is_ok(), "values with text keys can be written");
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The fields stand there twice: flat, as is documented, and in an object, which is what makes the SDKs raise.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
pub(crate) struct Event<'a> {
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: (),
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
    param: (),
}

impl<'a> Event<'a> {
    pub(crate) const fn new(message: &'a str, code: &'a str, sequence_number: u64) -> Self {
        Self {
            sequence_number,
            code,
            message,
            param: (),
            error: Error {
                r#type: "server_error",
                code,
                message,
                param: (),
            },
        }
    }
}
