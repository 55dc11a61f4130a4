use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::server::is_there;

/// A disk that forgets what was not synced, for the files of a folder.
///
/// A program with its environment leaves a copy of each file that it syncs, as it was then. When the power fails, each block
/// of a file is what it was when the file was synced last, or what it became after that; a file whose folder was not synced
/// since it was made is gone.
#[derive(Debug)]
pub struct ForgetfulDisk {
    folder: PathBuf,
    kept: TempDir,
    library: PathBuf,
}

impl ForgetfulDisk {
    /// One for a folder; nothing if there is no compiler for C.
    ///
    /// # Panics
    ///
    /// When it is missing and `TOLLGATE_TESTS_STRICT` is set, or does not work.
    #[must_use]
    pub fn new(folder: &Path) -> Option<Self> {
        if !is_there("cc".as_ref()) {
            return None;
        }
        let kept = TempDir::new().expect("there is room for a folder");
        let library = kept.path().join(".disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/disk.c");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-O1", "-o"])
            .args([&library, &source])
            .status();
        assert!(made.is_ok_and(|status| status.success()), "cc works");
        Some(Self {
            folder: folder.canonicalize().expect("it is there"),
            kept,
            library,
        })
    }

    /// What makes a program use it.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 3] {
        [
            ("LD_PRELOAD", self.library.as_path()),
            ("FORGETFUL_FOLDER", &self.folder),
            ("FORGETFUL_KEPT", self.kept.path()),
        ]
        .map(|(name, path)| (name.to_owned(), path.display().to_string()))
    }

    /// Leaves of a folder within what a power failure leaves. `survives` is asked for each block that was not synced. Nobody
    /// may use the files.
    ///
    /// # Panics
    ///
    /// When the files cannot be written, or none of them was ever synced.
    pub fn lose_power(&self, within: &str, mut survives: impl FnMut() -> bool) {
        let folder = self.folder.join(within);
        let is_named = |folder: &str, name: &str| {
            let names = fs::read_to_string(self.kept.path().join(format!("{folder}%")));
            names.is_ok_and(|names| names.lines().any(|it| it == name))
        };
        assert!(is_named("", within), "{within} itself is lost");
        let entries = fs::read_dir(&folder).expect("it is there");
        let mut synced = 0;
        for entry in entries {
            let entry = entry.expect("it can be read");
            let name = entry.file_name().into_string().expect("it is text");
            if !is_named(within, &name) {
                fs::remove_file(entry.path()).expect("it is ours");
                continue;
            }
            let kept = fs::read(self.kept.path().join(format!("{within}%{name}")));
            synced += u32::from(kept.is_ok());
            // Written in its place, for a file of another number is a copy.
            mix(&entry.path(), &kept.unwrap_or_default(), &mut survives).expect("it is ours");
        }
        assert!(synced > 0, "nothing was ever synced");
    }
}

/// Makes each block of a file what was synced, or leaves it as it is.
fn mix(path: &Path, kept: &[u8], survives: &mut impl FnMut() -> bool) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    let length = if survives() { bytes.len() } else { kept.len() };
    bytes.resize(length, 0);
    for (number, block) in bytes.chunks_mut(BLOCK).enumerate() {
        if !survives() {
            let kept = kept.get(number * BLOCK..).unwrap_or_default();
            let shared = kept.len().min(block.len());
            block[..shared].copy_from_slice(&kept[..shared]);
            block[shared..].fill(0);
        }
    }
    fs::write(path, bytes)
}

/// A disk writes one whole, or not at all.
const BLOCK: usize = 512;
