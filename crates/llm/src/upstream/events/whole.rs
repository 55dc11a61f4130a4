use bytes::Bytes;

use super::Relay;

/// What comes out of a stream that comes in these pieces, and what is wrong with it; for the fuzz targets.
pub(crate) fn relayed<'a>(
    mut relay: Relay,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, Option<&'static str>) {
    let mut out = Vec::new();
    for piece in pieces {
        let wrong = relay.read(&Bytes::copy_from_slice(piece));
        ready(&mut relay, |events| out.extend_from_slice(&events));
        if wrong.is_some() {
            return (out, wrong);
        }
    }
    let wrong = relay.finish();
    relay.settle();
    ready(&mut relay, |events| out.extend_from_slice(&events));
    (out, wrong)
}

/// Passes a piece on, and says how much came out; for the benchmarks.
pub(crate) fn passed(relay: &mut Relay, piece: &Bytes) -> usize {
    let (_, mut length) = (relay.read(piece), 0);
    ready(relay, |events| length += events.len());
    length
}

fn ready(relay: &mut Relay, mut take: impl FnMut(Bytes)) {
    while let Some(events) = relay.next() {
        take(events);
    }
}
