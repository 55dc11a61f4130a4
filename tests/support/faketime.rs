use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

/// What lies to a program about the time, once it is in `LD_PRELOAD`; nothing if it is not installed.
///
/// # Panics
///
/// When it is missing and `TOLLGATE_TESTS_STRICT` is set.
#[must_use]
pub fn faketime() -> Option<&'static str> {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    let strict = std::env::var_os("TOLLGATE_TESTS_STRICT").is_some();
    assert!(found.is_some() || !strict, "libfaketime is not installed");
    if found.is_none() {
        println!("passed over: libfaketime is not installed");
    }
    found
}

/// A time that several programs take for the real one, by which an hour ends when a test wants it to.
#[derive(Debug)]
pub struct HoursEnd {
    library: &'static str,
    folder: TempDir,
    /// In seconds since 1970, by the real clock.
    at: u64,
}

impl HoursEnd {
    /// The real time, at first; nothing if libfaketime is not installed.
    ///
    /// # Panics
    ///
    /// When it is missing and `TOLLGATE_TESTS_STRICT` is set, or there is no room for a folder.
    #[must_use]
    pub fn new() -> Option<Self> {
        let library = faketime()?;
        let folder = TempDir::new().expect("there is room for a folder");
        // For servers of other users, too.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let end = Self {
            library,
            folder,
            at: 0,
        };
        end.advance(0);
        Some(end)
    }

    /// What makes a program believe it.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 4] {
        [
            ("LD_PRELOAD", self.library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            // In seconds. Without it each look at the clock reads the file.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Moves all clocks on, and waits until all know: so much time later the hour ends.
    ///
    /// # Panics
    ///
    /// When they cannot be moved.
    pub async fn comes_in(&mut self, wait: Duration) {
        let known_in = Duration::from_millis(1500);
        self.at = (since_1970() + known_in + wait).as_secs();
        self.advance((HOUR - self.at % HOUR) % HOUR);
        tokio::time::sleep(known_in).await;
    }

    /// How long it is until then; nothing afterwards.
    ///
    /// # Panics
    ///
    /// When the clock stands before 1970.
    #[must_use]
    pub fn left(&self) -> Duration {
        Duration::from_secs(self.at).saturating_sub(since_1970())
    }

    fn advance(&self, seconds: u64) {
        let new = self.folder.path().join("new");
        // Nobody reads half of it.
        fs::write(&new, format!("+{seconds}s")).expect("the folder can be written to");
        fs::rename(new, self.file()).expect("the folder can be written to");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

fn since_1970() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970")
}

/// In seconds.
const HOUR: u64 = 3600;
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
