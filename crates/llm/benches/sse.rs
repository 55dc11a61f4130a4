//! What reading an event stream costs: `cargo bench -p tollgate-llm --bench sse`.

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use tollgate_llm::sse::{EventBoundary, Item, Parser, parse_event};

fn main() {
    divan::main();
}

const EVENTS: usize = 64;
const EVENT: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
    \"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n";

/// The stream in pieces of so many bytes; zero for one event each.
fn pieces(bytes: usize) -> Vec<Bytes> {
    let bytes = if bytes == 0 { EVENT.len() } else { bytes };
    let stream = EVENT.repeat(EVENTS);
    let pieces = stream.as_bytes().chunks(bytes);
    pieces.map(Bytes::copy_from_slice).collect()
}

/// As the relay does it: the end, and the data where it stands.
#[divan::bench]
fn boundary_and_event(bencher: Bencher<'_, '_>) {
    let stream = Bytes::from(EVENT.repeat(EVENTS));
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut boundary = EventBoundary::new();
        let (mut rest, mut length) = (&stream[..], 0);
        while let Some(end) = boundary.next(rest) {
            let event = parse_event(divan::black_box(&rest[..end]));
            length += event.data.map_or(0, |data| data.len());
            rest = &rest[end..];
        }
        length
    });
}

#[divan::bench(args = [0, 1, 100, 4096])]
fn parser(bencher: Bencher<'_, '_>, bytes: usize) {
    let pieces = pieces(bytes);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let (mut parser, mut length) = (Parser::new(), 0);
        for piece in &pieces {
            let mut piece = piece.clone();
            while let Ok(Some(Item::Event(event))) = parser.next(&mut piece) {
                length += divan::black_box(event).data().len();
            }
        }
        length
    });
}
