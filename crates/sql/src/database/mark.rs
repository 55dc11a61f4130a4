use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A file beside a file of SQLite, with the number of its last decision: a backup that is read in is behind it.
///
/// It is written after each commit, so that it is never ahead of a database that has lost nothing. It is synced once, for a
/// database without one is an old memory: when the power fails, what is left of it is behind, and that is well.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    /// The id that the disk has for sure.
    synced: Mutex<String>,
}

impl Mark {
    #[cfg(any(test, feature = "sqlite"))]
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".mark");
        Self {
            path: path.into(),
            synced: Mutex::default(),
        }
    }

    /// The database's id and the number, if there is such a file.
    pub(crate) fn read(&self) -> io::Result<Option<(String, i64)>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        // What cannot be read belongs to no database.
        let (id, decided) = text.trim_end().split_once(' ').unwrap_or((&text, ""));
        Ok(Some((id.into(), decided.parse().unwrap_or(i64::MAX))))
    }

    pub(crate) fn write(&self, id: &str, decided: i64) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Of one length, so that what is written covers what was there.
        let text = format!("{id} {decided:019}\n");
        let mut file = options.open(&self.path)?;
        file.write_all(text.as_bytes())?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced != id {
            file.sync_all()?;
            sync_directory(&self.path)?;
            id.clone_into(&mut synced);
        }
        Ok(())
    }
}

/// Makes sure that the directory's entries are on the disk, as SQLite does for a file that it makes itself.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(directory) => fs::File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_covers_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Mark::beside(&dir.path().join("a.db"));

        assert_eq!(mark.read().unwrap(), None);
        mark.write("abc", i64::MAX).unwrap();
        mark.write("abd", 7).unwrap();

        assert_eq!(mark.read().unwrap(), Some(("abd".into(), 7)));
    }
}
