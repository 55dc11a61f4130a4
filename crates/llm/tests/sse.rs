//! Events end where a reference parser says that they end, wherever the stream is cut.

use eventsource_stream::Eventsource;
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use tollgate_llm::EventBoundary;

/// The events that end in these pieces.
fn events(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut boundary = EventBoundary::new();
    let (mut events, mut begun) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while let Some(length) = boundary.next(rest) {
            begun.extend_from_slice(&rest[..length]);
            events.push(std::mem::take(&mut begun));
            rest = &rest[length..];
        }
        begun.extend_from_slice(rest);
    }
    events
}

/// The data of the events of a stream, by the reference.
fn reference(stream: &[u8]) -> Vec<String> {
    // It panics at a byte order mark, and waits after a final CR for the LF that may belong to it.
    let stream = stream.strip_prefix("\u{feff}".as_bytes()).unwrap_or(stream);
    let stream = [stream, b"\n"].concat();
    let bytes = stream::iter([Ok::<_, std::convert::Infallible>(stream)]);
    let events = bytes.eventsource().map(|event| event.unwrap().data);
    futures_util::FutureExt::now_or_never(events.collect()).unwrap()
}

fn streams() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "data: {\"a\":1}",
        "data:x",
        "data",
        ": ping",
        "event: delta",
        "id: 7",
        "",
        "",
        "data: é",
    ]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\n", "\r\n", "\r"]);
    let lines = prop::collection::vec((line, end), 0..12);
    (prop::bool::ANY, lines).prop_map(|(bom, lines)| {
        let lines = lines.iter().flat_map(|(line, end)| [*line, *end]);
        let lines: String = lines.collect();
        if bom {
            format!("\u{feff}{lines}")
        } else {
            lines
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_the_same_events_as_the_reference(stream in streams()) {
        // What follows the last boundary is no event, and a final CR leaves open whether a LF belongs to it.
        let stream = format!("{stream}\n");
        let bytes = stream.as_bytes();
        let whole = events(&[bytes]);
        let together: Vec<u8> = whole.concat();
        prop_assert!(bytes.starts_with(&together));

        let expected = reference(&together);
        let data = whole.iter().flat_map(|event| reference(event));
        prop_assert_eq!(data.collect::<Vec<_>>(), expected);
        for cut in 0..=bytes.len() {
            let pieces = events(&[&bytes[..cut], &bytes[cut..]]);
            // A CRLF that is cut gives its LF away to what follows, which changes no event.
            let told = |events: &[Vec<u8>]| -> Vec<Vec<String>> {
                events.iter().map(|event| reference(event)).filter(|data| !data.is_empty()).collect()
            };
            prop_assert_eq!(told(&pieces), told(&whole), "cut at {}", cut);
            prop_assert_eq!(pieces.concat(), together.clone(), "cut at {}", cut);
        }
    }
}
