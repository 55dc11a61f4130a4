use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    eventually,
    server::{Server, free_port, is_there, postgres_programs},
};

/// A Postgres of our own, in a folder of its own; killed when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Server>,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    environment: Vec<(String, String)>,
}

impl Postgres {
    /// One with an empty database that is not started yet; nothing if Postgres is not installed.
    ///
    /// # Panics
    ///
    /// When it is missing and `TOLLGATE_TESTS_STRICT` is set, or cannot be set up.
    #[must_use]
    pub fn new() -> Option<Self> {
        let programs = postgres_programs();
        if !is_there(&programs.join("postgres")) {
            return None;
        }
        let folder = TempDir::new().expect("there is room for a folder");
        let postgres = Self {
            server: None,
            programs,
            folder,
            port: free_port(),
            environment: Vec::new(),
        };
        postgres.give_folder_away();
        let made = postgres
            .program("initdb")
            .args([
                "--auth=trust",
                "--username=tollgate",
                "--encoding=UTF8",
                "--pgdata",
            ])
            .arg(postgres.folder.path().join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb works");
        Some(postgres)
    }

    /// Sets a variable of the server's environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://tollgate@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn start(&mut self) {
        // Not set before `setpriv` has run: what it does as root, libfaketime cannot undo.
        let mut command = self.program("env");
        for (name, value) in &self.environment {
            command.arg(format!("{name}={value}"));
        }
        command
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-k", ""])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "max_connections=200",
                // In its folder: one that is killed leaves it.
                "-c",
                "dynamic_shared_memory_type=mmap",
            ]);
        let log = self.folder.path().join("log");
        let mut server = Server::spawn(&mut command, &log);
        eventually("Postgres' start", async || {
            if server.has_ended() {
                // Processes of one that was killed may hold its memory for a moment.
                server = Server::spawn(&mut command, &log);
            }
            let ready = self
                .program("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            ready.is_ok_and(|status| status.success()).then_some(())
        })
        .await;
        self.server = Some(server);
    }

    /// What it answers to a statement, a line for each row.
    ///
    /// # Panics
    ///
    /// When it does not like the statement.
    #[must_use]
    pub fn sql(&self, statement: &str) -> String {
        let output = self
            .program("psql")
            .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At"])
            .args(["-c", statement, &self.url()])
            .output()
            .expect("it is beside the server");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Kills it and all of its processes.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Its processes make groups of their own, and end when they see that it is gone.
            let _ = server.kill();
        }
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        if let Some(server) = &self.server {
            server.signal(if frozen { "STOP" } else { "CONT" });
        }
    }

    /// One of its programs, or one of the system's, which ends with the test. None of them runs as root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let path = if path.exists() { path } else { name.into() };
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL").current_dir("/");
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg(path);
        command
    }

    fn give_folder_away(&self) {
        if is_root() {
            let given = Command::new("chown")
                .arg("postgres:postgres")
                .arg(self.folder.path())
                .status();
            assert!(
                given.is_ok_and(|status| status.success()),
                "root gives away"
            );
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
