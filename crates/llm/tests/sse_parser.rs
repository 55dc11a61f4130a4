//! The parser says what the standard and a reference parser say, wherever the stream is cut.

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use tollgate_llm::sse::{Event, Item, Parser, TooLarge, parse_event};

/// A name, an id and data.
type Said = (String, String, String);

fn said(event: &Event) -> Said {
    let name = event.name().unwrap_or("message").to_owned();
    let data = String::from_utf8(event.data().to_vec()).unwrap();
    (name, event.id().to_owned(), data)
}

fn parse(parser: &mut Parser, pieces: &[&[u8]]) -> Result<Vec<Item>, TooLarge> {
    let mut items = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(item) = parser.next(&mut piece)? {
            items.push(item);
        }
        assert!(piece.is_empty());
    }
    Ok(items)
}

fn items(pieces: &[&[u8]]) -> Vec<Item> {
    parse(&mut Parser::new(), pieces).unwrap()
}

fn events(pieces: &[&[u8]]) -> Vec<Said> {
    let items = items(pieces);
    let events = items.iter().filter_map(|item| match item {
        Item::Event(event) => Some(said(event)),
        Item::Comment => None,
    });
    events.collect()
}

fn reference(stream: &[u8]) -> Vec<Said> {
    // It panics at a byte order mark, and waits after a final CR for the LF that may belong to it. An empty line before
    // all others changes nothing.
    let stream = stream.strip_prefix(BYTE_ORDER_MARK).unwrap_or(stream);
    let start: &[u8] = if stream.starts_with(BYTE_ORDER_MARK) {
        b"\n"
    } else {
        b""
    };
    let ends_event = ["\n\n", "\n\r", "\r\r"]
        .iter()
        .any(|end| stream.ends_with(end.as_bytes()));
    let end: &[u8] = if ends_event { b"\n" } else { b"" };
    let stream = [start, stream, end].concat();
    let bytes = stream::iter([Ok::<_, std::convert::Infallible>(stream)]);
    let events = bytes.eventsource().map(|event| {
        let event = event.unwrap();
        (event.event, event.id, event.data)
    });
    events.collect().now_or_never().unwrap()
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn streams() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "data: {\"a\":1}",
        "data:x",
        "data:  y ",
        "data",
        "data:",
        "data :no field",
        "\u{feff}data: not at the start",
        ": ping",
        ":",
        "event: delta",
        "event:error",
        "event",
        "id: 7",
        "id",
        "id: 8\0",
        "retry: 5",
        "retry: soon",
        "unknown: field",
        " data: a space before",
        "",
        "",
        "",
        "data: é\u{1f980}",
    ]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let lines = prop::collection::vec((line, end), 0..12);
    (prop::bool::ANY, lines).prop_map(|(bom, lines)| {
        let start = if bom { "\u{feff}" } else { "" };
        let lines = lines.iter().flat_map(|(line, end)| [*line, *end]);
        std::iter::once(start).chain(lines).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_what_the_reference_gives(stream in streams()) {
        let bytes = stream.as_bytes();
        let whole = items(&[bytes]);
        prop_assert_eq!(events(&[bytes]), reference(bytes));

        for cut in 0..=bytes.len() {
            prop_assert_eq!(&items(&[&bytes[..cut], &bytes[cut..]]), &whole, "cut at {}", cut);
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(items(&each), whole);
    }

    #[test]
    fn the_limit_judges_alike_wherever_the_stream_is_cut(stream in streams(), limit in 1_usize..24) {
        let bytes = stream.as_bytes();
        let run = |pieces: &[&[u8]]| parse(&mut Parser::new().limit(limit), pieces);
        let whole = run(&[bytes]);
        for cut in 0..=bytes.len() {
            prop_assert_eq!(run(&[&bytes[..cut], &bytes[cut..]]), whole.clone(), "cut at {}", cut);
        }
    }
}

fn data(stream: &str) -> Vec<String> {
    events(&[stream.as_bytes()])
        .into_iter()
        .map(|(_, _, data)| data)
        .collect()
}

#[test]
fn the_standards_examples_are_read_as_it_says() {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(
        events(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event"]),
        [
            ("message".into(), "1".into(), "first event".into()),
            ("message".into(), String::new(), "second event".into()),
        ],
        "the third is discarded, since no empty line follows it"
    );
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
    assert_eq!(
        events(&[b"event: add\ndata: 73857293\n\nevent: remove\n\ndata: 2153\n\n"]),
        [
            ("add".into(), String::new(), "73857293".into()),
            ("message".into(), String::new(), "2153".into()),
        ],
        "a name without data is no event, and not the next one's name"
    );
}

#[test]
fn an_event_in_one_piece_is_not_copied() {
    let stream = Bytes::from_static(b"event: delta\ndata: {\"a\":1}\n\n");
    let mut piece = stream.clone();

    let Ok(Some(Item::Event(event))) = Parser::new().next(&mut piece) else {
        panic!("there is an event")
    };

    assert!(stream.as_ptr_range().contains(&event.data().as_ptr()));
}

#[test]
fn comments_are_told_and_empty_lines_are_not() {
    assert_eq!(
        items(&[b"\n\r\n\r\r\n: ping\n\n\n:\n\n"]),
        [Item::Comment, Item::Comment]
    );
}

#[test]
fn bytes_that_are_no_text_harm_nothing() {
    let event = parse_event(b"event: a\xff\nid: \xff\ndata: \xff\ndata: \0\n\n");

    assert_eq!(event.name.as_deref(), Some("a\u{fffd}"));
    assert_eq!(event.data.as_deref(), Some(&b"\xff\n\0"[..]));
    let items = items(&[b"event: a\xff\nid: \xff\ndata: x\n\n"]);
    assert!(
        matches!(&items[..], [Item::Event(event)] if event.name() == Some("a\u{fffd}") && event.id() == "\u{fffd}")
    );
}

#[test]
fn a_large_event_ends_the_stream_and_is_not_kept() {
    let mut parser = Parser::new().limit(64);
    let mut piece = Bytes::from(vec![b'x'; 60]);
    assert_eq!(parser.next(&mut piece), Ok(None));

    let mut piece = Bytes::from_static(b"more than fits");
    assert!(parser.next(&mut piece).is_err());
    let mut piece = Bytes::from_static(b"\n\ndata: a\n\n");
    assert!(parser.next(&mut piece).is_err());
}

#[test]
fn the_event_that_a_stream_ends_in_is_given_to_who_asks_for_it() {
    let mut parser = Parser::new();
    let whole = parse(&mut parser, &[b"data: a\n\ndata: [DO", b"NE]"]).unwrap();
    assert_eq!(whole.len(), 1);
    assert!(parser.in_event());

    let Some(Item::Event(last)) = parser.finish() else {
        panic!("there is a last event")
    };
    assert_eq!(last.data(), "[DONE]");
}
