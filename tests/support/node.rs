use std::{env, path::PathBuf};

use crate::python::{folder, left_out};

/// The program of Node.js, where the SDKs are that `tests/run` sets up.
///
/// Without them a test is left out, and says so; under `TOLLGATE_TESTS_STRICT=1` it fails.
///
/// # Panics
///
/// When they are not there and must be.
#[must_use]
pub fn node(test: &str) -> Option<PathBuf> {
    let sdks = folder().join("sdk/node_modules/openai");
    let paths = env::var_os("PATH").unwrap_or_default();
    let node = env::split_paths(&paths)
        .map(|path| path.join("node"))
        .find(|node| node.is_file());
    match node {
        Some(node) if sdks.exists() => Some(node),
        Some(_) => left_out(test, &sdks.display().to_string()),
        None => left_out(test, "`node`"),
    }
}
