mod machine;
mod slot;

use std::{
    fmt,
    fs::{File, TryLockError},
    io::{self, Read},
    path::Path,
    sync::{Mutex, PoisonError, RwLock},
};

use self::slot::{SLOT, Slot};
use super::account::Record;

/// A file in which a [`Ledger`](crate::Ledger) notes what of its hard budgets is free, before it spends any of it. One that is
/// killed finds it when it is started again on the same machine, and goes on from there: what was held when it died stays
/// spent. Without a journal all that was granted to it stays spent.
///
/// ```
/// use tollgate_quota::{Bank, Journal, Ledger, bank::MemoryAuthority};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("budgets.journal");
/// let bank = Bank::new(MemoryAuthority::new());
/// let ledger = match Journal::open(path) {
///     Ok(journal) => Ledger::with_journal(bank, journal),
///     Err(_) => Ledger::new(bank), // another process has it, perhaps
/// };
/// # let _ = ledger;
/// ```
///
/// It is written to the system's memory, which outlives the process, and not synced: after a reboot it counts for nothing. So
/// it does well in a folder that is in memory, too. The file is locked for as long as the process lives. It keeps 512 bytes for
/// an account with free money, of 65,536 accounts at most and with names up to 360 bytes; others go without.
pub struct Journal {
    file: File,
    /// Whether it is in use: a file that cannot be written is emptied, and let be.
    is_on: RwLock<bool>,
    places: Mutex<Places>,
}

/// Which slots are in use.
#[derive(Debug, Default)]
struct Places {
    vacant: Vec<u32>,
    /// From here on, none was ever used.
    next: u32,
}

/// Why there is no journal.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process has it.
    Locked,
    /// It is another kind of file.
    Foreign,
    /// This system does not say when it was booted.
    NoBootId,
    /// It cannot be read or written.
    Io(io::Error),
}

impl Journal {
    /// Opens it, or makes it. What is found in one of another boot or version of Tollgate, or in a copy, is
    /// forgotten.
    ///
    /// # Errors
    /// If another process has it, if it is another kind of file, if it cannot be used, or if the system does not say when it was booted: Linux does.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let boot = machine::boot_id().ok_or(JournalError::NoBootId)?;
        let file = machine::open(path.as_ref())?;
        // Who gets the lock knows that the process before is dead, and not only stopped.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::Locked,
            TryLockError::Error(error) => JournalError::Io(error),
        })?;
        let header = Slot::header(&boot, machine::identity(&file)?);
        let mut found = Vec::new();
        (&file).take(SLOT as u64).read_to_end(&mut found)?;
        if !found.is_empty() && !slot::is_header(&found) {
            return Err(JournalError::Foreign);
        }
        if found != header.bytes() {
            file.set_len(0)?;
            machine::write_at(&file, header.bytes(), 0)?;
        }
        Ok(Self {
            file,
            is_on: RwLock::new(true),
            places: Mutex::default(),
        })
    }

    /// What dead processes left, and where. The slots of the others are vacant.
    pub(super) fn left(&self) -> io::Result<Vec<(u32, String, Record)>> {
        let size = self.file.metadata()?.len().div_ceil(SLOT as u64);
        let slots = u32::try_from(size.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(SLOTS);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.next = slots;
        let mut left = Vec::new();
        for place in 0..slots {
            let mut bytes = [0; SLOT];
            // The last one may have been cut off: it is none, then.
            let read = machine::read_at(&self.file, &mut bytes, offset(place));
            match read.ok().and_then(|()| Slot::from(bytes).decode()) {
                Some((text, record)) => left.push((place, text, record)),
                None => places.vacant.push(place),
            }
        }
        Ok(left)
    }

    /// Notes this of an account, in its place. Answers no if a successor could find what is not true any more.
    ///
    /// The caller has the account's lock, so that of two records the later one stays.
    pub(super) fn note(&self, place: &mut Option<u32>, noted: Option<(&str, Record)>) -> bool {
        let slot = noted.and_then(|(text, record)| Slot::encode(text, &record));
        match (*place, slot) {
            (None, None) => true,
            (None, Some(slot)) => match self.take() {
                Some(taken) => {
                    *place = Some(taken);
                    self.write(taken, &slot)
                }
                None => true,
            },
            (Some(place), Some(slot)) => self.write(place, &slot),
            (Some(vacated), None) => {
                // Emptied before another can have it: the account may be noted elsewhere later, and must not be found twice.
                let is_empty = self.write(vacated, &Slot::empty());
                if is_empty {
                    *place = None;
                    self.vacate(vacated);
                }
                is_empty
            }
        }
    }

    fn take(&self) -> Option<u32> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.vacant.pop().or_else(|| {
            let next = places.next;
            places.next = (next + 1).min(SLOTS);
            (next < SLOTS).then_some(next)
        })
    }

    fn vacate(&self, place: u32) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.vacant.push(place);
    }

    fn write(&self, place: u32, slot: &Slot) -> bool {
        {
            let is_on = self.is_on.read().unwrap_or_else(PoisonError::into_inner);
            if !*is_on || machine::write_at(&self.file, slot.bytes(), offset(place)).is_ok() {
                return true;
            }
        }
        // The disk is full, perhaps. An empty file leaves nothing to a successor, and takes no space. Nobody writes meanwhile.
        let mut is_on = self.is_on.write().unwrap_or_else(PoisonError::into_inner);
        if *is_on {
            *is_on = self.file.set_len(0).is_err();
            tracing::error!("the journal of budgets cannot be written: it is not used any more");
        }
        !*is_on
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "another process has the journal",
            Self::Foreign => "the file is no journal",
            Self::NoBootId => "the system does not say when it was booted",
            Self::Io(_) => "the journal cannot be read or written",
        })
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// The header comes first.
fn offset(place: u32) -> u64 {
    (u64::from(place) + 1) * SLOT as u64
}

/// So many accounts can be noted at once.
const SLOTS: u32 = 65_536;

#[cfg(test)]
mod tests;
