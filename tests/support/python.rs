use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use crate::Ran;

/// The Python with the SDK that `tests/run` sets up.
///
/// Without it a test is left out, and says so; under `TOLLGATE_TESTS_STRICT=1` it fails.
///
/// # Panics
///
/// When it is not there and must be.
#[must_use]
pub fn python(test: &str) -> Option<PathBuf> {
    let python = folder().join(".venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    left_out(test, &python.display().to_string())
}

/// Runs a script of this folder.
///
/// # Panics
///
/// When it does not start.
pub fn run_script(program: &Path, script: &str, variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(program)
        .arg(folder().join(script))
        .env_clear()
        .envs(variables.iter().copied())
        .output();
    output.expect("the program starts").into()
}

/// Says that a test is left out for want of something, or fails where nothing may be left out.
pub(crate) fn left_out(test: &str, missing: &str) -> Option<PathBuf> {
    let message = format!("left out: {test} (no {missing}; `./tests/run` makes it)");
    assert_ne!(
        env::var("TOLLGATE_TESTS_STRICT").as_deref(),
        Ok("1"),
        "{message}"
    );
    // Not `eprintln!`, which the harness keeps to itself when a test passes.
    let _ = writeln!(io::stderr(), "{message}");
    None
}

pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
