use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollgate_core::fact::{Clearance, Permissions, Scope, Terms};

use crate::KeyDigest;

/// All that is known of a key, but for the key itself. Times are in milliseconds since 1970.
///
/// What it may do is what its own lists and those of all that is above it allow: its parents, its user, team and
/// organisation.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct KeyRecord {
    /// Unique for ever, and public; it is in logs and reports.
    pub id: Arc<str>,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// How the key begins, so that people recognise it.
    #[serde(default)]
    pub hint: String,
    /// What the key is known by. No two keys have the same.
    pub digest: KeyDigest,
    /// What it was known by before it was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousDigest>,
    /// The key that it was made with, and can never have more than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<str>>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    /// The team that it belongs to. If it is absent, the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Arc<str>>,
    /// The organisation that it belongs to. If it is absent, the team's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Arc<str>>,
    /// The roles; under a parent, those that the parent has too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Arc<str>>,
    /// For limits and reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Arc<str>>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Permissions,
    /// How much it may use.
    #[serde(default)]
    pub terms: Terms,
    /// How confidential its data is, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Clearance>,
    /// For the operator's own use.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// When it was made.
    #[serde(default)]
    pub created_at: i64,
    /// From when on it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// It is not valid, for now.
    #[serde(default)]
    pub disabled: bool,
    /// It is never valid again. The record stays, so that all hear of it.
    #[serde(default)]
    pub deleted: bool,
    /// The store's version when this was written; 0 for what is not in the store yet.
    #[serde(default)]
    pub version: u64,
}

impl KeyRecord {
    /// A key without limits that belongs to nobody.
    pub fn new(id: impl Into<Arc<str>>, digest: KeyDigest) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            hint: String::new(),
            digest,
            previous: None,
            parent: None,
            user: None,
            team: None,
            org: None,
            roles: Vec::new(),
            tags: Vec::new(),
            permissions: Permissions::default(),
            terms: Terms::default(),
            classification: None,
            metadata: Map::new(),
            created_at: 0,
            expires_at: None,
            disabled: false,
            deleted: false,
            version: 0,
        }
    }
}

/// The digest of a key that was rotated: it stays valid for a while, so that nobody has to hurry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct PreviousDigest {
    /// The digest.
    pub digest: KeyDigest,
    /// From when on it is not valid, in milliseconds since 1970.
    pub valid_until: i64,
}

/// An organisation, a team or a user: what holds for all keys that belong to it, and for whoever else is
/// [bound](crate::KeyRing::bind) to it. A group that is named and has no record restricts nothing.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct GroupRecord {
    /// Which of the three.
    pub kind: GroupKind,
    /// Unique in its kind.
    pub id: Arc<str>,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// A team's organisation, or a user's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<str>>,
    /// What its members may do.
    #[serde(default)]
    pub permissions: Permissions,
    /// How much its members may use, together.
    #[serde(default)]
    pub terms: Terms,
    /// How confidential its data is, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Clearance>,
    /// For the operator's own use.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// When it was made, in milliseconds since 1970.
    #[serde(default)]
    pub created_at: i64,
    /// Nobody of it is let in, for now.
    #[serde(default)]
    pub disabled: bool,
    /// Nobody of it is let in, ever again.
    #[serde(default)]
    pub deleted: bool,
    /// The store's version when this was written; 0 for what is not in the store yet.
    #[serde(default)]
    pub version: u64,
}

impl GroupRecord {
    /// A group without limits.
    pub fn new(kind: GroupKind, id: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: String::new(),
            parent: None,
            permissions: Permissions::default(),
            terms: Terms::default(),
            classification: None,
            metadata: Map::new(),
            created_at: 0,
            disabled: false,
            deleted: false,
            version: 0,
        }
    }
}

/// The kinds of groups, from the highest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// An organisation.
    Org,
    /// A team.
    Team,
    /// A user.
    User,
}

impl GroupKind {
    /// The kind of a group's parent.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Org => None,
            Self::Team => Some(Self::Org),
            Self::User => Some(Self::Team),
        }
    }

    /// What limits by such a group are kept under.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Org => Scope::Org,
            Self::Team => Scope::Team,
            Self::User => Scope::User,
        }
    }

    /// The kind as a word: `org`, `team` or `user`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.scope().as_str()
    }
}
