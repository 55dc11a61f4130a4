//! A `redis-server` of a test's own, on a free port and in a directory of its own.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use secrecy::SecretString;

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
}

impl Server {
    /// `None`, and a word about it, if the program is not installed.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        Self::start_at(free_port(), options)
    }

    pub(crate) fn start_at(port: u16, options: &[&str]) -> Option<Self> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            let strict = std::env::var_os("TOLLGATE_TESTS_STRICT").is_some();
            assert!(!strict, "redis-server is not installed");
            eprintln!("passed over: redis-server is not installed");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        let options: Vec<_> = options.iter().map(ToString::to_string).collect();
        let child = spawn(port, directory.path(), &options);
        let server = Self {
            child,
            directory,
            port,
            options,
        };
        server.wait();
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> SecretString {
        url(self.port)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, self.directory.path(), &self.options);
        self.wait();
    }

    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// What `redis-cli` says.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        command(self.port, words)
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("there is kill").success());
    }

    fn wait(&self) {
        if self.options.iter().any(|option| option == "--tls-port") {
            let end = Instant::now() + Duration::from_secs(20);
            while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
                assert!(Instant::now() < end, "redis-server does not listen");
                std::thread::sleep(Duration::from_millis(5));
            }
            return;
        }
        // Or that it wants a password.
        until(|| {
            ["PONG", "NOAUTH"]
                .iter()
                .any(|word| self.command(&["PING"]).contains(word))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn url(port: u16) -> SecretString {
    format!("redis://127.0.0.1:{port}").into()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Waits for something that another process does.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(port: u16, directory: &Path, options: &[String]) -> Child {
    let mut server = Command::new("redis-server");
    server.args(["--bind", "127.0.0.1", "--save", "", "--dir"]);
    server.arg(directory);
    // A primary waits for more replicas otherwise, for some seconds.
    server.args(["--repl-diskless-sync-delay", "0"]);
    if !options.iter().any(|option| option == "--tls-port") {
        server.args(["--port", &port.to_string()]);
    }
    server
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}

fn command(port: u16, words: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &port.to_string()])
        .args(words)
        .output()
        .expect("there is redis-cli");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
