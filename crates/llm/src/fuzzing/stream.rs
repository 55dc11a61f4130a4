use bytes::Bytes;
use memchr::memmem;
use serde::de::IgnoredAny;
use tollgate_core::Trail;

use super::{
    answer::MALFORMED,
    forms::{BEHIND, FRONTS, translation},
};
use crate::{
    dialect::Api,
    meter::Meter,
    upstream::{Relay, relayed},
};

/// OpenAI's.
pub(super) fn chat(input: &[u8]) {
    check(Api::Chat, &["[DONE]", "\"finish_reason\""], input);
}

/// Anthropic's.
pub(super) fn messages(input: &[u8]) {
    check(Api::Messages, &["message_stop"], input);
}

/// Gemini's.
pub(super) fn contents(input: &[u8]) {
    let marks = ["\"finishReason\"", "\"blockReason\""];
    check(Api::StreamGenerate { array: false }, &marks, input);
}

/// Where a stream is cut changes nothing of what comes out, which is complete only if the provider has said so, not much
/// longer than what came in, and readable. The first byte says how the stream is cut.
fn check(behind: Api, marks: &[&str], input: &[u8]) {
    let Some((cut, stream)) = input.split_first() else {
        return;
    };
    let relay = |relay: Relay, piece: usize| {
        let (out, wrong) = relayed(relay, stream.chunks(piece));
        (plain(&out), wrong, out)
    };
    let piece = 1 + usize::from(*cut);
    let same = || Relay::new(meter(behind), true);
    let (whole, pieces) = (relay(same(), stream.len().max(1)), relay(same(), piece));
    assert_eq!((&whole.0, whole.1), (&pieces.0, pieces.1), "as it is");

    for (front, _) in FRONTS {
        let relays = || Relay::translating(meter(behind), stream_of(front, behind));
        let (text, wrong, out) = relay(relays(), stream.len().max(1));
        let cut = relay(relays(), piece);
        assert_eq!(
            (&cut.0, cut.1),
            (&text, wrong),
            "{front:?} in pieces of {piece}"
        );

        let most = MOST_TIMES * stream.len() + MOST_MORE;
        assert!(out.len() <= most, "{front:?}: {} bytes", out.len());
        if wrong.is_some() {
            assert!(
                !looks_complete(front, &out),
                "{front:?}: {wrong:?} after {text}"
            );
            continue;
        }
        let has = |mark: &str| memmem::find(stream, mark.as_bytes()).is_some();
        assert!(
            marks.iter().any(|mark| has(mark)) || has("\\u"),
            "{front:?}: no end"
        );
        let malformed = memmem::find(&out, MALFORMED.as_bytes()).is_some();
        if BEHIND.contains(&front) && !malformed {
            let again = Relay::translating(meter(front), stream_of(behind, front));
            let (_, wrong) = relayed(again, out.chunks(out.len().max(1)));
            assert_eq!(wrong, None, "{front:?} is read again: {text}");
        }
    }
}

fn meter(behind: Api) -> Meter {
    Meter::new(Trail::new(), behind, Bytes::new())
}

fn stream_of(front: Api, behind: Api) -> crate::translate::StreamTranslation {
    let stream = translation(front, behind).stream();
    stream.expect("an answer can be streamed")
}

/// Ids and times are new in each run, and are long. A last line end of two bytes may lose one, if they come apart.
fn plain(out: &[u8]) -> String {
    let text = String::from_utf8_lossy(out.trim_ascii_end());
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(start) = rest.find(|it: char| it.is_ascii_alphanumeric()) {
        let (before, run) = rest.split_at(start);
        plain.push_str(before);
        let end = run.find(|it: char| !it.is_ascii_alphanumeric());
        let (run, after) = run.split_at(end.unwrap_or(run.len()));
        plain.push_str(if run.len() < SHORTEST_ID { run } else { "#" });
        rest = after;
    }
    plain + rest
}

/// Whether a caller would take it for a whole answer.
fn looks_complete(front: Api, out: &[u8]) -> bool {
    let has = |line: &str| memmem::find(out, line.as_bytes()).is_some();
    match front {
        Api::Messages => has("\nevent: message_stop\n"),
        Api::Responses => {
            has("\nevent: response.completed\n") || has("\nevent: response.incomplete\n")
        }
        Api::StreamGenerate { array: true } => serde_json::from_slice::<IgnoredAny>(out).is_ok(),
        Api::StreamGenerate { array: false } => false, // No mark says so.
        _ => has("\ndata: [DONE]\n"),
    }
}

const SHORTEST_ID: usize = 10;
/// What is said in a few words is repeated at the ends of its part, item and response.
const MOST_TIMES: usize = 64;
const MOST_MORE: usize = 16 << 10;
