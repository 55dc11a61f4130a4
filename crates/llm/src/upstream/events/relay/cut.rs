//! Streams that break off, at every byte, from each provider to each caller.

use bytes::Bytes;
use tollgate_core::{Trail, fact::Usage};

use super::{Output, Relay};
use crate::{dialect::Api, meter::Meter, translate::Translation, upstream::plan::Way};

const CHAT: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"h\u{e9}\"}}]}\n\n\
    data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n\
    data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n\
    data: [DONE]\n\n";
const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"c\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n\
    event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\u{e9}\"}}\n\n\
    event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const CONTENTS: &str = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"h\u{e9}\"}]},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3}}\r\n\r\n\
    data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"!\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}\r\n\r\n";
const BEHIND: [(Api, &str); 3] = [
    (Api::Chat, CHAT),
    (Api::Messages, MESSAGES),
    (Api::StreamGenerate { array: false }, CONTENTS),
];

const CHATS: &str =
    r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"h"}],"max_tokens":9}"#;
const CONTENT: &str = r#"{"contents":[{"parts":[{"text":"h"}]}]}"#;
/// How callers ask, and what the last words of a whole answer are.
const FRONTS: [(Api, &str, &str); 6] = [
    (Api::Chat, CHATS, "[DONE]"),
    (
        Api::Completions,
        r#"{"model":"m","stream":true,"prompt":"h"}"#,
        "[DONE]",
    ),
    (
        Api::Responses,
        r#"{"model":"m","stream":true,"store":false,"input":"h"}"#,
        "response.completed",
    ),
    (Api::Messages, CHATS, "message_stop"),
    (
        Api::StreamGenerate { array: false },
        CONTENT,
        "finishReason",
    ),
    (Api::StreamGenerate { array: true }, CONTENT, "]"),
];

fn relay(front: Api, body: &str, behind: Api, trail: &Trail) -> Relay {
    let way = if front.is_like(behind) {
        match front {
            Api::StreamGenerate { array: true } => Way::Array,
            _ => Way::Same { hides_usage: true },
        }
    } else {
        let translation = Translation::read(front, behind, "m", body.as_bytes()).unwrap();
        Way::Translated(Box::new(translation))
    };
    let meter = Meter::new(trail.clone(), behind, Bytes::from_static(b"hello"));
    Relay::with(meter, Output::of(&way).expect("a stream is asked for"))
}

#[test]
fn a_stream_that_breaks_off_at_any_byte_never_looks_complete() {
    for (behind, stream) in BEHIND {
        for (front, body, mark) in FRONTS {
            if front == Api::Completions && behind == Api::Chat {
                continue; // They have no tool calls.
            }
            for cut in 0..=stream.len() {
                for clean in [false, true] {
                    let trail = Trail::new();
                    let mut relay = relay(front, body, behind, &trail);
                    let case = format!("{front:?} {behind:?} {cut} {clean}");
                    let wrong = relay.read(&Bytes::copy_from_slice(&stream.as_bytes()[..cut]));
                    assert_eq!(wrong, None, "{case}");
                    let wrong = match clean {
                        true => relay.finish(),
                        false => relay.cut(),
                    };
                    relay.settle();
                    let mut out = Vec::new();
                    while let Some(events) = relay.next() {
                        out.extend_from_slice(&events);
                    }
                    let out = String::from_utf8(out).unwrap();
                    let complete = match front {
                        Api::StreamGenerate { array: true } => out.ends_with(mark),
                        Api::StreamGenerate { .. } => false, // Its last piece says so, and nothing after it.
                        _ => out.contains(mark),
                    };
                    if wrong.is_some() {
                        assert!(!complete, "{case}: {out}");
                        assert_eq!(
                            relay.was_told(),
                            out.contains("event: error"),
                            "{case}: {out}"
                        );
                    } else {
                        assert!(
                            out.contains(mark) || clean && front == behind,
                            "{case}: {out}"
                        );
                        assert!(cut + 60 > stream.len() || clean, "{case}");
                    }
                    let usage: Usage = trail.get().expect("it is known at any moment");
                    assert!(usage.estimated || usage.input == 3, "{case}: {usage:?}");
                }
            }
        }
    }
}
