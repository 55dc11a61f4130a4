use std::hash::{DefaultHasher, Hasher};

use crate::{
    bank::{Asker, Holder, Window},
    ledger::account::Record,
};

/// A record as it stands in the file, under a checksum: one that was not written to its end is none.
pub(super) struct Slot([u8; SLOT]);

impl Slot {
    /// What the file begins with: whose it is.
    pub(super) fn header(boot: &str, identity: [u64; 2]) -> Self {
        let mut writer = Writer::new();
        writer.put(MAGIC);
        writer.put(&identity[0].to_le_bytes());
        writer.put(&identity[1].to_le_bytes());
        writer.put(boot.as_bytes());
        writer.sealed()
    }

    /// Nobody's.
    pub(super) const fn empty() -> Self {
        Self([0; SLOT])
    }

    /// Nothing if the text is too long.
    pub(super) fn encode(text: &str, record: &Record) -> Option<Self> {
        let length = u16::try_from(text.len()).ok()?;
        if text.len() > TEXT {
            return None;
        }
        let (holder, lent) = record.lent.unwrap_or((Holder(0), 0));
        let mut writer = Writer::new();
        writer.put(&record.asker.0.to_le_bytes());
        writer.put(&record.numbers[0].to_le_bytes());
        writer.put(&record.numbers[1].to_le_bytes());
        writer.put(&record.window.number.to_le_bytes());
        writer.put(&record.window.starts_at.to_le_bytes());
        writer.put(&record.window.ends_at.to_le_bytes());
        writer.put(&record.window.now.to_le_bytes());
        writer.put(&record.free.to_le_bytes());
        writer.put(&holder.0.to_le_bytes());
        writer.put(&lent.to_le_bytes());
        writer.put(&record.owed.to_le_bytes());
        writer.put(&length.to_le_bytes());
        writer.put(text.as_bytes());
        Some(writer.sealed())
    }

    /// Nothing if it is empty or broken.
    pub(super) fn decode(&self) -> Option<(String, Record)> {
        let (sum, rest) = self.0.split_first_chunk()?;
        if checksum(rest) != *sum {
            return None;
        }
        let mut reader = Reader(rest);
        let record = Record {
            asker: Asker(u128::from_le_bytes(reader.take()?)),
            numbers: [
                u64::from_le_bytes(reader.take()?),
                u64::from_le_bytes(reader.take()?),
            ],
            window: Window {
                number: u64::from_le_bytes(reader.take()?),
                starts_at: i64::from_le_bytes(reader.take()?),
                ends_at: i64::from_le_bytes(reader.take()?),
                now: i64::from_le_bytes(reader.take()?),
            },
            free: i64::from_le_bytes(reader.take()?),
            lent: Some((
                Holder(u128::from_le_bytes(reader.take()?)),
                i64::from_le_bytes(reader.take()?),
            ))
            .filter(|(_, lent)| *lent > 0),
            owed: i64::from_le_bytes(reader.take()?),
        };
        let length = usize::from(u16::from_le_bytes(reader.take()?));
        let text = str::from_utf8(reader.0.get(..length)?).ok()?;
        Some((text.to_owned(), record))
    }

    pub(super) const fn bytes(&self) -> &[u8; SLOT] {
        &self.0
    }
}

impl From<[u8; SLOT]> for Slot {
    fn from(bytes: [u8; SLOT]) -> Self {
        Self(bytes)
    }
}

struct Writer {
    slot: [u8; SLOT],
    length: usize,
}

impl Writer {
    const fn new() -> Self {
        Self {
            slot: [0; SLOT],
            length: SUM,
        }
    }

    /// What does not fit is left out: only a boot id can be so long.
    fn put(&mut self, bytes: &[u8]) {
        let places = self.slot[self.length..].iter_mut();
        places.zip(bytes).for_each(|(place, byte)| *place = *byte);
        self.length = (self.length + bytes.len()).min(SLOT);
    }

    fn sealed(mut self) -> Slot {
        let sum = checksum(&self.slot[SUM..]);
        self.slot[..SUM].copy_from_slice(&sum);
        Slot(self.slot)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

/// Whether a journal begins so, be it of another boot or version.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes
        .get(SUM..)
        .is_some_and(|rest| rest.starts_with(ANY_MAGIC))
}

/// It may differ in another version of Tollgate: that finds nothing, then. Of an empty slot it is not zero.
fn checksum(bytes: &[u8]) -> [u8; SUM] {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

/// A page holds a whole number of them, so none is on two.
pub(super) const SLOT: usize = 512;

/// A text is at most so long.
const TEXT: usize = 360;

const SUM: usize = size_of::<u64>();

const MAGIC: &[u8] = b"tollgate journal 2\n";

/// What the magic of all versions begins with.
const ANY_MAGIC: &[u8] = b"tollgate journal ";
