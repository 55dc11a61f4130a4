//! What must hold of any input at all. The fuzz targets in `fuzz/` and the smoke test run the same functions: each takes
//! arbitrary bytes, and panics if something does not hold.

mod answer;
mod embeddings;
mod forms;
mod halves;
mod inspect;
pub mod measure;
mod meter;
mod request;
mod sse;
mod stream;

/// All of them, by the names of their targets and corpora.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("sse", sse::check),
    ("inspect", inspect::check),
    ("embeddings", embeddings::check),
    ("chat", request::chat),
    ("responses", request::responses),
    ("messages", request::messages),
    ("contents", request::contents),
    ("vectors", request::vectors),
    ("chat_answer", answer::chat),
    ("messages_answer", answer::messages),
    ("contents_answer", answer::contents),
    ("chat_stream", stream::chat),
    ("messages_stream", stream::messages),
    ("contents_stream", stream::contents),
    ("meter", meter::check),
    ("halves", halves::check),
];

/// Runs the target of this name.
///
/// # Panics
/// When something does not hold, or there is no such target.
pub fn check(target: &str, input: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = found.expect("a target has a name of the list");
    check(input);
}
