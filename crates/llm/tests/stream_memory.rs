//! How much an open stream holds that is put into other words.

use allocation_counter::measure;
use bytes::Bytes;
use tollgate_llm::fuzzing::measure::{
    Answers,
    Form::{self, Chat, Contents, Messages, Responses},
    Passing,
};

#[test]
fn a_long_stream_holds_no_more_than_a_short_one() {
    for front in [Chat, Messages, Contents] {
        for behind in [Chat, Messages, Contents] {
            let (short, long) = (held(front, behind, 10), held(front, behind, 2000));

            assert!(long <= MOST, "{front:?} before {behind:?}: {long} bytes");
            assert_eq!(long, short, "{front:?} before {behind:?}");
        }
    }
}

/// OpenAI's responses repeat their texts when they end, so a stream of one holds its texts.
#[test]
fn a_response_holds_its_texts_and_no_more() {
    for behind in [Chat, Messages, Contents] {
        let held = held(Responses, behind, 2000);

        let texts = 2 * 2000 * " word".len(); // A buffer that grows doubles.
        assert!(held <= MOST + texts, "before {behind:?}: {held} bytes");
    }
}

/// What a stream holds after so many events.
fn held(front: Form, behind: Form, events: usize) -> usize {
    let [first, event] = pieces(behind);
    // What is made once for all streams, such as the vocabulary of `exact-tokens`, is not this one's.
    let mut other = Answers::new(front, behind).passing(behind);
    other.read(&first);
    other.read(&event);
    drop(other);
    let mut open = None;
    let allocated = measure(|| {
        let mut passing = Answers::new(front, behind).passing(behind);
        passing.read(&first);
        for _ in 0..events {
            assert!(passing.read(&event) > 0);
        }
        open = Some(passing);
    });
    size_of::<Passing>() + usize::try_from(allocated.bytes_current).unwrap_or_default()
}

/// How a stream begins, and a piece of its text.
fn pieces(behind: Form) -> [Bytes; 2] {
    let [first, event] = match behind {
        Chat | Responses => [
            r#"{"id":"c","model":"m","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}"#,
        ],
        Messages => [
            r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#,
        ],
        Contents => [
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"responseId":"r","modelVersion":"m"}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":" word"}]}}],"usageMetadata":{"promptTokenCount":9}}"#,
        ],
    };
    [first, event].map(|data| Bytes::from(format!("data: {data}\n\n")))
}

/// For each open stream, beyond its sockets.
const MOST: usize = 16 << 10;
