use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use secrecy::SecretString;
use tempfile::TempDir;

/// A Postgres in a directory of its own, reached by a socket there. It ends with the value.
pub(crate) struct Server {
    postmaster: Child,
    pub(crate) dir: TempDir,
}

impl Server {
    /// The one that all tests share that need nothing special.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A new one; none if there is no Postgres on this machine, which strict runs do not forgive.
    pub(crate) fn start() -> Option<Self> {
        let dir = directory()?;
        let data = dir.path().join("data");
        run(command("initdb")?
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"])
            .arg(&data));
        Some(Self::serve(dir))
    }

    /// A standby that follows this one.
    pub(crate) fn standby(&self) -> Self {
        let dir = directory().expect("there was a server already");
        let mut backup = command("pg_basebackup").expect("there was a server already");
        backup.args(["-U", "postgres", "-R", "-c", "fast", "--no-sync", "-h"]);
        backup
            .arg(self.dir.path())
            .arg("-D")
            .arg(dir.path().join("data"));
        run(&mut backup);
        Self::serve(dir)
    }

    pub(crate) fn promote(&self) {
        let mut promote = command("pg_ctl").expect("there was a server already");
        run(promote
            .args(["promote", "-w", "-D"])
            .arg(self.dir.path().join("data")));
    }

    /// Ends it, and leaves what is needed to [serve](Self::serve) again.
    pub(crate) fn stop(mut self) -> TempDir {
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        drop(self);
        dir
    }

    pub(crate) fn serve(dir: TempDir) -> Self {
        let mut postgres = command("postgres").expect("it was found before");
        postgres.arg("-D").arg(dir.path().join("data"));
        postgres.arg("-k").arg(dir.path());
        postgres.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let postmaster = postgres.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { postmaster, dir };
        server.wait();
        server
    }

    /// Until it takes connections.
    pub(crate) fn wait(&self) {
        for _ in 0..600 {
            let mut ready = command("pg_isready").expect("there was a server already");
            let ready = ready.arg("-q").arg("-h").arg(self.dir.path()).status();
            if ready.unwrap().success() {
                return;
            }
            thread::sleep(Duration::from_millis(50)); // it is a process, not the code under test
        }
        let log = fs::read_to_string(self.dir.path().join("log"));
        panic!("postgres did not start: {}", log.unwrap());
    }

    /// An empty database with the tests' own user.
    pub(crate) fn database(&self, name: &str) -> SecretString {
        let name = name.replace("::", "_");
        let name = &name[name.len().saturating_sub(60)..];
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    pub(crate) fn url(&self, name: &str) -> SecretString {
        let host = self.dir.path().display();
        format!("postgres://postgres:canary-secret@localhost/{name}?host={host}").into()
    }

    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = command("psql").unwrap();
        psql.args([
            "-U",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-At",
            "-c",
            statement,
            "-h",
        ]);
        run(psql.arg(self.dir.path()).arg(database))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown; it ends what it has started.
        let pid = self.postmaster.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.postmaster.wait();
    }
}

fn directory() -> Option<TempDir> {
    command("postgres")?;
    let dir = tempfile::tempdir().unwrap();
    if is_root() {
        run(Command::new("chown")
            .arg("postgres:postgres")
            .arg(dir.path()));
    }
    Some(dir)
}

/// A program of Postgres, which refuses to run as root.
fn command(program: &str) -> Option<Command> {
    let Some(program) = find(program) else {
        assert!(
            env::var_os("TOLLGATE_TESTS_STRICT").is_none(),
            "there is no {program}"
        );
        eprintln!("passed over: there is no {program} on this machine");
        return None;
    };
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(program);
            command
        }
        false => Command::new(program),
    };
    command.current_dir("/");
    Some(command)
}

fn find(program: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = env::split_paths(&paths).collect();
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    let mut programs = places.into_iter().map(|place| place.join(program));
    programs.find(|program| program.exists())
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(Path::new("/proc/self")).unwrap()) == 0
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
