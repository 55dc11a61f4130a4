use std::{path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    eventually,
    server::{Server, free_port, is_there},
};

/// A Redis of our own, with its log of writes in a folder of its own; killed when it is dropped.
#[derive(Debug)]
pub struct Redis {
    server: Option<Server>,
    folder: TempDir,
    port: u16,
}

impl Redis {
    /// One that is not started yet; nothing if Redis is not installed.
    ///
    /// # Panics
    ///
    /// When it is missing and `TOLLGATE_TESTS_STRICT` is set.
    #[must_use]
    pub fn new() -> Option<Self> {
        is_there("redis-server".as_ref()).then(|| Self {
            server: None,
            folder: TempDir::new().expect("there is room for a folder"),
            port: free_port(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it on what its log says.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(&mut self) {
        // It ends with the test, though that were killed.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig=KILL", "redis-server"])
            .current_dir(self.folder.path())
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--appendonly", "yes", "--appendfsync", "everysec"])
            .args(["--save", "", "--aof-load-truncated", "yes"]);
        let log = self.folder.path().join("log");
        self.server = Some(Server::spawn(&mut command, &log));
        eventually("Redis' start", async || {
            (self.command("PING").await? == "+PONG").then_some(())
        })
        .await;
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// Cuts so many bytes off the end of the log of writes, as a machine does that loses power. It must not run.
    ///
    /// # Panics
    ///
    /// When the log cannot be cut.
    pub fn lose_tail(&self, bytes: u64) {
        assert!(self.server.is_none(), "it would not notice");
        let folder = self.folder.path().join("appendonlydir");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let increments = files.map(|file| file.path());
        let mut increments: Vec<PathBuf> = increments
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .collect();
        increments.sort();
        if let Some(path) = increments.pop() {
            let file = std::fs::File::options().write(true).open(path);
            let file = file.expect("it is ours");
            let long = file.metadata().expect("it is there").len();
            file.set_len(long.saturating_sub(bytes))
                .expect("it can be cut");
        }
    }

    /// Runs a command without arguments that hold spaces, and gives the first line of the answer.
    pub async fn command(&self, line: &str) -> Option<String> {
        let talk = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
            socket.write_all(format!("{line}\r\n").as_bytes()).await?;
            let mut answer = vec![0; 512];
            let read = socket.read(&mut answer).await?;
            answer.truncate(read);
            std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), talk).await;
        let answer = answer.ok()?.ok()?;
        answer.lines().next().map(Into::into)
    }
}
