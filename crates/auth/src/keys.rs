//! Keys that are made, changed and revoked while the service runs.

mod admin;
mod directory;
mod groups;
mod memory;
mod record;
mod restrictions;
mod ring;
mod secret;
mod store;

use std::time::{SystemTime, UNIX_EPOCH};

pub use self::{
    admin::{KeyPatch, Keys, KeysError, NewKey},
    memory::MemoryKeys,
    record::{GroupKind, GroupRecord, KeyRecord, PreviousDigest},
    ring::{KeyRing, RingPolicy, RingStatus},
    store::{Changes, KeyStore, KeyStoreError, Page, Stored},
};

/// Tells the time, in milliseconds since 1970.
pub type Clock = fn() -> i64;

fn system_clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
