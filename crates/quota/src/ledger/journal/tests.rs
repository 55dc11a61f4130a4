use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::bank::{Asker, Holder, Window};

#[test]
fn what_was_noted_is_found_by_the_next() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    let (mut first, mut second) = (None, None);
    let lent = Record {
        lent: Some((Holder(7), 3)),
        owed: 9,
        ..record(0)
    };

    assert!(journal.note(&mut first, Some(("a", record(1)))));
    assert!(journal.note(&mut second, Some(("b", lent))));
    assert!(journal.note(&mut first, Some(("a", record(2)))));
    drop(journal);

    let left = Journal::open(&path).unwrap().left().unwrap();
    assert_eq!(left, [(0, "a".into(), record(2)), (1, "b".into(), lent)]);
}

#[test]
fn a_slot_that_is_given_up_is_empty_and_used_again() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    let (mut first, mut second) = (None, None);

    assert!(journal.note(&mut first, Some(("a", record(1)))));
    assert!(journal.note(&mut first, None));
    assert_eq!(first, None);
    assert_eq!(journal.left().unwrap(), []);

    assert!(journal.note(&mut second, Some(("b", record(2)))));
    assert_eq!(second, Some(0));
}

#[test]
fn a_torn_slot_is_none() {
    for torn in [0, 8, 60, SLOT - 1] {
        let (_folder, path) = file();
        let journal = Journal::open(&path).unwrap();
        assert!(journal.note(&mut None, Some(("a", record(1)))));
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        bytes[SLOT + torn] ^= 1;
        fs::write(&path, bytes).unwrap();

        assert_eq!(Journal::open(&path).unwrap().left().unwrap(), []);
    }
}

#[test]
fn a_slot_that_was_cut_off_is_none() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    assert!(journal.note(&mut None, Some(("a", record(1)))));
    journal.file.set_len(2 * SLOT as u64 - 1).unwrap();

    assert_eq!(journal.left().unwrap(), []);
}

#[test]
fn after_a_reboot_and_in_a_copy_there_is_nothing() {
    let (folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    assert!(journal.note(&mut None, Some(("a", record(1)))));
    drop(journal);

    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(Journal::open(&copy).unwrap().left().unwrap(), []);

    let file = machine::open(&path).unwrap();
    let earlier = Slot::header("another boot", machine::identity(&file).unwrap());
    machine::write_at(&file, earlier.bytes(), 0).unwrap();
    assert_eq!(Journal::open(&path).unwrap().left().unwrap(), []);
    assert_eq!(fs::metadata(&path).unwrap().len(), SLOT as u64);
}

#[test]
fn one_of_another_version_is_begun_anew() {
    for version in ["1", "3", "10"] {
        let (_folder, path) = file();
        let journal = Journal::open(&path).unwrap();
        assert!(journal.note(&mut None, Some(("a", record(1)))));
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let magic = format!("tollgate journal {version}\n");
        bytes[8..8 + magic.len()].copy_from_slice(magic.as_bytes());
        fs::write(&path, bytes).unwrap();

        let journal = Journal::open(&path).unwrap();

        assert_eq!(journal.left().unwrap(), []);
        assert!(journal.note(&mut None, Some(("a", record(1)))));
        assert_eq!(journal.left().unwrap().len(), 1);
    }
}

#[test]
fn another_kind_of_file_is_left_alone() {
    let (_folder, path) = file();
    fs::write(&path, "SQLite format 3").unwrap();

    assert!(matches!(Journal::open(&path), Err(JournalError::Foreign)));
    assert_eq!(fs::read(&path).unwrap(), b"SQLite format 3");
}

#[test]
fn only_one_has_it() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();

    assert!(matches!(Journal::open(&path), Err(JournalError::Locked)));

    drop(journal);
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn a_file_that_cannot_be_written_is_not_believed_either() {
    let (_folder, path) = file();
    let mut journal = Journal::open(&path).unwrap();
    assert!(journal.note(&mut None, Some(("a", record(1)))));

    // It cannot even be emptied: whoever wants to send must not.
    let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
    assert!(!journal.note(&mut Some(0), Some(("a", record(0)))));
    journal.file = writable;

    *journal.is_on.get_mut().unwrap() = false;
    assert!(journal.note(&mut Some(0), Some(("a", record(0)))));
}

#[test]
fn a_name_that_is_too_long_goes_without() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    let mut place = None;

    assert!(journal.note(&mut place, Some((&"a".repeat(361), record(1)))));
    assert_eq!(place, None);
    assert!(journal.note(&mut place, Some((&"a".repeat(360), record(1)))));
    assert_eq!(journal.left().unwrap().len(), 1);
}

#[test]
fn there_are_no_more_places_than_there_are() {
    let (_folder, path) = file();
    let journal = Journal::open(&path).unwrap();
    journal.places.lock().unwrap().next = SLOTS - 1;
    let (mut last, mut late) = (None, None);

    assert!(journal.note(&mut last, Some(("a", record(1)))));
    assert!(journal.note(&mut late, Some(("b", record(1)))));

    assert_eq!((last, late), (Some(SLOTS - 1), None));
}

fn record(free: i64) -> Record {
    Record {
        asker: Asker(5),
        numbers: [3, 4],
        window: Window {
            number: 2,
            starts_at: 10,
            ends_at: i64::MAX,
            now: 11,
        },
        free,
        lent: None,
        owed: 0,
    }
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    (folder, path)
}
