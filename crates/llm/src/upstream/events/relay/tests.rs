use bytes::Bytes;
use tollgate_core::{Trail, fact::Usage};

use super::Relay;
use crate::{dialect::Api, meter::Meter};

const STREAM: &str = ": hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"h\u{e9}\"}}]}\n\n\
    data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":null}\r\n\r\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n\
    data: [DONE]\n\n";

/// What comes out, what is wrong, and what was used, when the stream comes in these pieces.
fn relay(pieces: &[&[u8]], hides: bool) -> (Vec<u8>, Option<&'static str>, Option<Usage>) {
    let trail = Trail::new();
    let mut relay = Relay::new(Meter::new(trail.clone(), Api::Chat, Bytes::new()), hides);
    let mut wrong = None;
    for piece in pieces {
        assert_eq!(relay.read(&Bytes::copy_from_slice(piece)), None);
    }
    if !relay.is_done() {
        wrong = relay.finish();
    }
    let mut out = Vec::new();
    while let Some(events) = relay.next() {
        out.extend_from_slice(&events);
    }
    relay.settle();
    (out, wrong, trail.get())
}

#[test]
fn wherever_pieces_are_cut_the_same_comes_out() {
    let (start, rest) = STREAM.split_at(STREAM.find("data: {\"choices\":[],").unwrap());
    let hidden = format!("{start}{}", &rest[rest.find("data: [DONE]").unwrap()..]);
    let used = Some(Usage {
        input: 3,
        output: 2,
        ..Usage::default()
    });
    for hides in [false, true] {
        let expected = if hides {
            hidden.as_bytes()
        } else {
            STREAM.as_bytes()
        };
        let stream = STREAM.as_bytes();
        let whole = (expected.to_vec(), None, used);
        assert_eq!(relay(&[stream], hides), whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(relay(&bytes, hides), whole);
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(relay(&pieces, hides), whole, "{first} {second}");
            }
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_never_looks_complete() {
    let stream = STREAM.as_bytes();
    let finished = STREAM.find("\r\n\r").unwrap();
    for cut in 0..stream.len() {
        let (out, wrong, used) = relay(&[&stream[..cut]], false);

        assert!(stream.starts_with(out.trim_ascii_end()), "{cut}");
        assert!(
            out.is_empty() || ends_an_event(&out),
            "{cut}: half an event"
        );
        assert!(used.is_some(), "{cut}");
        // With a reason to finish and no end mark it is complete, as from servers that send none.
        let marked = STREAM.find("[DONE]").unwrap() + "[DONE]".len();
        let complete = cut >= marked || cut >= finished && ends_an_event(&stream[..cut]);
        let expected = if complete { None } else { Some("stream_cut") };
        assert_eq!(wrong, expected, "{cut}");
    }
}

fn ends_an_event(stream: &[u8]) -> bool {
    ["\n\n", "\r\n\r", "\r\n\r\n"]
        .iter()
        .any(|end| stream.ends_with(end.as_bytes()))
}
