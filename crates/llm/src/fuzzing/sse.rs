use bytes::Bytes;

use crate::sse::{EventBoundary, Item, Parser, TooLarge, parse_event};

/// Where a stream is cut changes nothing, and both ways of reading it agree. The first two bytes say how large an event
/// may be and how the stream is cut.
pub(super) fn check(input: &[u8]) {
    let Some(([limit, cut], stream)) = input.split_first_chunk() else {
        return;
    };
    let limit = 1 + usize::from(*limit);
    let whole = parse(stream, stream.len().max(1), limit);

    assert_eq!(parse(stream, 1, limit), whole, "in single bytes");
    let piece = 1 + usize::from(*cut);
    assert_eq!(parse(stream, piece, limit), whole, "in pieces of {piece}");

    if let Ok(items) = parse(stream, stream.len().max(1), usize::MAX) {
        let told = items.iter().filter(|item| matches!(item, Item::Event(_)));
        let names_and_data = told.map(|item| match item {
            Item::Event(event) => (event.name().map(str::to_owned), event.data().to_vec()),
            Item::Comment => unreachable!("filtered above"),
        });
        assert_eq!(names_and_data.collect::<Vec<_>>(), raw(stream));
    }
}

fn parse(stream: &[u8], piece: usize, limit: usize) -> Result<Vec<Item>, TooLarge> {
    let mut parser = Parser::new().limit(limit);
    let mut items = Vec::new();
    for piece in stream.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(item) = parser.next(&mut piece)? {
            items.push(item);
        }
        assert!(piece.is_empty(), "a piece is used up");
    }
    Ok(items)
}

/// As the relay reads it.
fn raw(stream: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let mut boundary = EventBoundary::new();
    let (mut rest, mut events) = (stream, Vec::new());
    while let Some(length) = boundary.next(rest) {
        let (event, more) = rest.split_at(length);
        let first = rest.len() == stream.len();
        rest = more;
        // It is lenient about a byte order mark, which only the first event may have.
        if !first && event.starts_with(b"\xef\xbb\xbf") {
            let line = [b":", event].concat();
            events.extend(read(&line));
        } else {
            events.extend(read(event));
        }
    }
    events
}

fn read(event: &[u8]) -> Option<(Option<String>, Vec<u8>)> {
    let event = parse_event(event);
    let name = event.name.map(|name| name.into_owned());
    event.data.map(|data| (name, data.into_owned()))
}
