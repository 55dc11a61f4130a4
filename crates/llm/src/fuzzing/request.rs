use super::forms::{BEHIND, MODEL, TARGET};
use crate::{canon::Losses, dialect::Api, translate::Translation};

/// A request for a chat completion, or for a completion of a text.
pub(super) fn chat(input: &[u8]) {
    check(Api::Chat, &BEHIND, input);
    check(Api::Completions, &BEHIND, input);
}

/// A request for a response.
pub(super) fn responses(input: &[u8]) {
    check(Api::Responses, &BEHIND, input);
}

/// A request for a message, or for how long it is.
pub(super) fn messages(input: &[u8]) {
    check(Api::Messages, &BEHIND, input);
    check(Api::CountTokens, &COUNTS, input);
}

/// A request for contents, or for how long they are.
pub(super) fn contents(input: &[u8]) {
    check(Api::StreamGenerate { array: false }, &BEHIND, input);
    check(Api::CountContents, &COUNTS, input);
}

/// A request for embeddings.
pub(super) fn vectors(input: &[u8]) {
    for front in [Api::Embeddings, Api::Embed, Api::BatchEmbed] {
        check(front, &VECTORS, input);
    }
}

/// What is read can be written in each form, is not much longer there, and can be read again; and what is then
/// written stays as it is.
fn check(front: Api, behind: &[Api], input: &[u8]) {
    for &behind in behind {
        let Ok(read) = Translation::read(front, behind, MODEL, input) else {
            return;
        };
        let (body, losses) = read.request(&TARGET);
        let most = MOST_TIMES * input.len() + MOST_MORE;
        assert!(
            body.len() <= most,
            "{front:?} for {behind:?}: {} bytes",
            body.len()
        );
        named(&losses);

        // Without what was lost there may be nothing left to ask.
        let again = match Translation::read(behind, behind, MODEL, &body) {
            Ok(again) => again,
            Err(_) if !losses.fields().is_empty() => continue,
            Err(refused) => panic!("{front:?} for {behind:?} is refused: {refused:?}"),
        };
        let (twice, _) = again.request(&TARGET);
        // An empty text is dropped, be it the only one.
        let Ok(again) = Translation::read(behind, behind, MODEL, &twice) else {
            continue;
        };
        let (thrice, _) = again.request(&TARGET);
        assert_eq!(
            thrice.escape_ascii().to_string(),
            twice.escape_ascii().to_string(),
            "{front:?} for {behind:?}, read and written again"
        );
    }
}

/// However much is lost, a header can say it.
fn named(losses: &Losses) {
    let lengths = losses.all().map(str::len);
    assert!(losses.all().count() <= 64 && lengths.sum::<usize>() <= 64 << 10);
}

const COUNTS: [Api; 2] = [Api::CountTokens, Api::CountContents];
const VECTORS: [Api; 2] = [Api::Embeddings, Api::BatchEmbed];
/// What short fields grow by where they have longer names, and their objects more fields.
const MOST_TIMES: usize = 16;
const MOST_MORE: usize = 1024;
