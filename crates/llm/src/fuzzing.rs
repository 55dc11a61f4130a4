//! What must hold of any input at all. The fuzz targets in `fuzz/` and the smoke test run the same functions: each takes
//! arbitrary bytes, and panics if something does not hold.

mod embeddings;
mod inspect;
mod sse;

/// All of them, by the names of their targets and corpora.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("sse", sse::check),
    ("inspect", inspect::check),
    ("embeddings", embeddings::check),
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
