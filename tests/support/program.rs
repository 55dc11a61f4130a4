use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;

/// What a program that ended has said.
#[derive(Debug)]
pub struct Ran {
    /// Whether it was content.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            success: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Runs the gateway to its end.
///
/// # Panics
///
/// When it does not start.
#[must_use]
pub fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = command(folder).args(arguments).output();
    output.expect("the gateway's program starts").into()
}

/// The gateway's program, in a folder, and without the provider keys of whoever runs the tests.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder);
    for name in [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// The program that `TOLLGATE_GATEWAY` names, or else it is built.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match env::var_os("TOLLGATE_GATEWAY") {
        Some(program) => program.into(),
        None => {
            cargo(&["build", "--package=tollgate-gateway"]);
            let metadata = cargo(&["metadata", "--format-version=1", "--no-deps"]);
            let metadata: Value = serde_json::from_slice(&metadata).expect("cargo writes JSON");
            let target = metadata["target_directory"].as_str().expect("there is one");
            Path::new(target).join("debug/tollgate-gateway")
        }
    })
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--locked")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    output.stdout
}
