use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tollgate_core::fact::{Clearance, Permissions, Terms};

use crate::{KeyDigest, KeyRecord};

/// A key that is to be made; its fields are those of a [`KeyRecord`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "as in `KeyRecord`")]
pub struct NewKey {
    pub name: String,
    pub parent: Option<Arc<str>>,
    pub user: Option<Arc<str>>,
    pub team: Option<Arc<str>>,
    pub org: Option<Arc<str>>,
    pub roles: Vec<Arc<str>>,
    pub tags: Vec<Arc<str>>,
    pub permissions: Permissions,
    pub terms: Terms,
    pub classification: Option<Clearance>,
    pub metadata: Map<String, Value>,
    pub expires_at: Option<i64>,
}

impl NewKey {
    pub(super) fn record(self, id: String, digest: KeyDigest) -> KeyRecord {
        KeyRecord {
            name: self.name,
            parent: self.parent,
            user: self.user,
            team: self.team,
            org: self.org,
            roles: self.roles,
            tags: self.tags,
            permissions: self.permissions,
            terms: self.terms,
            classification: self.classification,
            metadata: self.metadata,
            expires_at: self.expires_at,
            ..KeyRecord::new(id, digest)
        }
    }
}

/// What is to be changed of a key; what is absent stays. Where a key belongs cannot be changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "as in `KeyRecord`")]
pub struct KeyPatch {
    /// The version that the patch was made for; any, if it is absent.
    pub version: Option<u64>,
    pub name: Option<String>,
    pub roles: Option<Vec<Arc<str>>>,
    pub tags: Option<Vec<Arc<str>>>,
    pub permissions: Option<Permissions>,
    pub terms: Option<Terms>,
    /// `Some(None)`, in JSON `null`, takes it away.
    #[serde(deserialize_with = "present")]
    pub classification: Option<Option<Clearance>>,
    pub metadata: Option<Map<String, Value>>,
    /// `Some(None)`, in JSON `null`, takes it away.
    #[serde(deserialize_with = "present")]
    pub expires_at: Option<Option<i64>>,
}

impl KeyPatch {
    pub(super) fn apply(self, record: &mut KeyRecord) {
        set(&mut record.name, self.name);
        set(&mut record.roles, self.roles);
        set(&mut record.tags, self.tags);
        set(&mut record.permissions, self.permissions);
        set(&mut record.terms, self.terms);
        set(&mut record.classification, self.classification);
        set(&mut record.metadata, self.metadata);
        set(&mut record.expires_at, self.expires_at);
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Of an option, `null` is a value, and not the absence of one.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
