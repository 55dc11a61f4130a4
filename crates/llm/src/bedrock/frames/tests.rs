use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::{
    DateTime,
    event_stream::{Header, HeaderValue, Message as Written},
};
use proptest::prelude::*;

use super::{FrameError, Frames, MOST, Message};

/// A message as AWS' own code writes it.
fn written(kind: &str, payload: &[u8]) -> Vec<u8> {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Written::new(payload.to_vec())
        .add_header(Header::new(":message-type", text("event")))
        .add_header(Header::new("yes", HeaderValue::Bool(true)))
        .add_header(Header::new("byte", HeaderValue::Byte(1)))
        .add_header(Header::new("short", HeaderValue::Int16(1)))
        .add_header(Header::new("word", HeaderValue::Int32(1)))
        .add_header(Header::new("long", HeaderValue::Int64(1)))
        .add_header(Header::new("bytes", HeaderValue::ByteArray("abc".into())))
        .add_header(Header::new(
            "at",
            HeaderValue::Timestamp(DateTime::from_secs(1)),
        ))
        .add_header(Header::new("id", HeaderValue::Uuid(7)))
        .add_header(Header::new(":event-type", text(kind)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn read(pieces: &[&[u8]]) -> Result<Vec<Message>, FrameError> {
    let mut frames = Frames::default();
    let mut messages = Vec::new();
    for piece in pieces {
        frames.push(piece);
        while let Some(message) = frames.next()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

#[test]
fn wherever_pieces_are_cut_the_same_messages_come_out() {
    let stream = [
        written("chunk", b"{}"),
        written("", b""),
        written("x", b"y"),
    ]
    .concat();
    let whole = read(&[&stream]).unwrap();
    assert_eq!(whole.len(), 3);
    assert_eq!(whole[0].header(":message-type"), "event");
    assert_eq!(whole[0].header(":event-type"), "chunk");
    assert_eq!(
        (whole[0].header("none"), &whole[0].payload[..]),
        ("", &b"{}"[..])
    );
    assert_eq!(
        (whole[2].header(":event-type"), &whole[2].payload[..]),
        ("x", &b"y"[..])
    );

    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&bytes).unwrap(), whole);
    for cut in 0..stream.len() {
        let (first, rest) = stream.split_at(cut);
        assert_eq!(read(&[first, rest]).unwrap(), whole, "{cut}");
    }
}

#[test]
fn a_message_is_not_there_before_its_last_byte() {
    let message = written("chunk", b"payload");
    for cut in 1..message.len() {
        let mut frames = Frames::default();
        frames.push(&message[..cut]);
        assert_eq!(frames.next(), Ok(None), "{cut}");
    }
}

#[test]
fn a_byte_that_was_changed_is_noticed() {
    let message = written("chunk", b"payload");
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 0x10;
        assert_eq!(read(&[&changed]), Err(FrameError::Broken), "{at}");
    }
}

#[test]
fn a_length_is_believed_within_bounds_only() {
    for (length, headers, expected) in [
        (15_u32, 0_u32, FrameError::Broken),
        (0, 0, FrameError::Broken),
        (u32::MAX, 0, FrameError::TooLarge),
        (u32::try_from(MOST).unwrap() + 1, 0, FrameError::TooLarge),
        (1 << 20, 1 << 19, FrameError::TooLarge),
    ] {
        let mut prelude = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
        assert_eq!(read(&[&prelude]), Err(expected), "{length} {headers}");
    }
}

/// A message with checksums that are right and these headers.
fn framed(claimed: u32, headers: &[u8]) -> Vec<u8> {
    let length = u32::try_from(headers.len() + 16).unwrap();
    let mut message = [length.to_be_bytes(), claimed.to_be_bytes()].concat();
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

#[test]
fn headers_that_end_early_are_broken() {
    for (claimed, headers) in [
        (9, &b"\x01a\x00"[..]),
        (2, b"\x01a"),
        (3, b"\x01a\x07"),
        (5, b"\x01a\x07\x00\x01"),
        (3, b"\x01a\x0a"),
        (4, b"\x09a\x00\x00"),
        (5, b"\x01a\x09\x00\x00"),
    ] {
        let message = framed(claimed, headers);
        assert_eq!(read(&[&message]), Err(FrameError::Broken), "{headers:?}");
    }
}

proptest! {
    #[test]
    fn payloads_come_out_as_they_went_in(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6),
        size in 1..64_usize,
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|it| written("chunk", it)).collect();
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        let messages = read(&pieces).unwrap();
        let read: Vec<&[u8]> = messages.iter().map(|it| &it.payload[..]).collect();
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn whatever_comes_nothing_panics(
        claimed in 0..80_u32,
        headers in proptest::collection::vec(any::<u8>(), 0..64),
        noise in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let _ = read(&[&framed(claimed, &headers), &noise]);
        let _ = read(&[&noise]);
    }
}
