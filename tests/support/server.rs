use std::{
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    address.port()
}

/// Whether a program is there; says so if it is not, and panics where everything must be there.
pub(crate) fn is_there(program: &Path) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let strict = std::env::var_os("TOLLGATE_TESTS_STRICT").is_some();
    assert!(found || !strict, "{} is not installed", program.display());
    if !found {
        println!("passed over: {} is not installed", program.display());
    }
    found
}

/// A server's program in a process group of its own, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        use std::os::unix::process::CommandExt;

        let log = std::fs::File::options().create(true).append(true).open(log);
        let log = log.expect("the folder can be written to");
        let errors = log.try_clone().expect("a file can be had twice");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        Self {
            child: child.expect("it was there before"),
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends a signal to the program and all that it has started.
    pub(crate) fn signal(&self, signal: &str) {
        signal_group(self.child.id(), signal);
    }

    /// Kills it and all that it has started, without a chance to clean up.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.signal("KILL");
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Sends a signal to a process group.
pub(crate) fn signal_group(group: u32, signal: &str) {
    // What has ended already needs no signal.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg("--")
        .arg(format!("-{group}"))
        .stderr(Stdio::null())
        .status();
}

/// The newest of the folders where Debian puts Postgres' programs.
pub(crate) fn postgres_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let versions = versions.into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max();
    newest.unwrap_or_default()
}
