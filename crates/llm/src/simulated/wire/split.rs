use std::collections::VecDeque;

use bytes::Bytes;

use crate::simulated::{
    Fault,
    body::{Cost, Piece},
    fault::Faults,
};

/// Cuts the bytes of an event as the faults ask; what it costs is due with the first.
pub(crate) fn split(mut text: Bytes, mut cost: Cost, faults: Faults, pieces: &mut VecDeque<Piece>) {
    let cut = |text: &[u8]| {
        let within = |at: usize| text[at] & 0xc0 == 0x80 || text[at] == b'\n';
        match () {
            () if faults.has(Fault::Bytes) => 1,
            () if faults.has(Fault::Splits) => {
                (1..text.len()).find(|&at| within(at)).unwrap_or(text.len())
            }
            () => text.len(),
        }
    };
    while !text.is_empty() {
        let length = cut(&text);
        pieces.push_back(Piece::Bytes(text.split_to(length), cost));
        cost = Cost {
            follows: true,
            ..Cost::default()
        };
    }
}
