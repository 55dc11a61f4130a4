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
    let message = format!(
        "left out: {test} (no {}; `./tests/run` makes it)",
        python.display()
    );
    assert_ne!(
        env::var("TOLLGATE_TESTS_STRICT").as_deref(),
        Ok("1"),
        "{message}"
    );
    // Not `eprintln!`, which the harness keeps to itself when a test passes.
    let _ = writeln!(io::stderr(), "{message}");
    None
}

/// Runs a script of this folder.
///
/// # Panics
///
/// When it does not start.
pub fn run_script(python: &Path, script: &str, variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(python)
        .arg(folder().join(script))
        .env_clear()
        .envs(variables.iter().copied())
        .output();
    output.expect("Python starts").into()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
