//! Keys that are made, changed and revoked while the service runs.

mod memory;
mod record;
mod store;

pub use self::{
    memory::MemoryKeys,
    record::{GroupKind, GroupRecord, KeyRecord, PreviousDigest},
    store::{Changes, KeyStore, KeyStoreError, Page, Stored},
};
