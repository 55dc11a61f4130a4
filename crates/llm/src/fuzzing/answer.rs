use http::StatusCode;
use serde::de::IgnoredAny;

use super::forms::{BEHIND, FRONTS, translation};
use crate::{canon::Fault, dialect::Api, translate::read_fault};

/// OpenAI's.
pub(super) fn chat(input: &[u8]) {
    check(Api::Chat, input);
}

/// Anthropic's.
pub(super) fn messages(input: &[u8]) {
    check(Api::Messages, input);
}

/// Gemini's.
pub(super) fn contents(input: &[u8]) {
    check(Api::StreamGenerate { array: false }, input);
}

/// A plain answer that can be read can be written for each caller, is not much longer there, and is read again by that
/// dialect's reader. What is none is a fault in each caller's words.
fn check(behind: Api, input: &[u8]) {
    let most = MOST_TIMES * input.len() + MOST_MORE;
    for (front, _) in FRONTS {
        let translation = translation(front, behind);
        let fault = match translation.answer(input) {
            Err(fault) => fault,
            Ok((written, _)) => {
                assert!(written.len() <= most, "{front:?}: {} bytes", written.len());
                let json = serde_json::from_slice::<IgnoredAny>(&written);
                assert!(json.is_ok(), "{front:?} writes {}", written.escape_ascii());
                if BEHIND.contains(&front) {
                    let again = super::forms::translation(behind, front).answer(&written);
                    let told = |fault: &Fault| fault.code == MALFORMED;
                    assert!(
                        again.as_ref().err().is_none_or(told),
                        "{front:?}: {again:?}"
                    );
                }
                read_fault(behind.dialect(), STATUS, input)
            }
        };
        let (_, written) = translation.write_fault(&fault);
        assert!(written.len() <= most && serde_json::from_slice::<IgnoredAny>(&written).is_ok());
    }
    for status in [
        STATUS,
        StatusCode::BAD_REQUEST,
        StatusCode::TOO_MANY_REQUESTS,
    ] {
        read_fault(behind.dialect(), status, input);
    }
}

/// Gemini has no other form for arguments that are no object.
pub(super) const MALFORMED: &str = "MALFORMED_FUNCTION_CALL";
const STATUS: StatusCode = StatusCode::BAD_GATEWAY;
const MOST_TIMES: usize = 16;
const MOST_MORE: usize = 4096;
