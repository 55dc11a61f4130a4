use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

use super::{GroupKind, GroupRecord, KeyRecord};

/// A store's answer on its way.
pub type Stored<T> = Pin<Box<dyn Future<Output = Result<T, KeyStoreError>> + Send>>;

/// Where keys and groups are kept.
///
/// A store has one version, which ascends with every change; a record carries the version of its last change. Nothing is
/// ever taken out, only marked as deleted, so that whoever was away learns of it.
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// All records with a version above this one, as they are now. A store that answers in parts answers in the order of
    /// versions.
    fn changes_since(&self, version: u64) -> Stored<Changes>;

    /// Resolves when there may be changes above this version, and at the latest after a time of its own. Dropped at will.
    fn changed(&self, since: u64) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Writes a key, and returns its new version. The record's own version says what it was made of: if that is not the last
    /// one, or not 0 for a new key, it is a [`Conflict`](KeyStoreError::Conflict). So is the digest of another key.
    fn put_key(&self, record: KeyRecord) -> Stored<u64>;

    /// Writes a group, in the same way.
    fn put_group(&self, record: GroupRecord) -> Stored<u64>;

    /// A key by its id, also one that is deleted.
    fn key(&self, id: &str) -> Stored<Option<KeyRecord>>;

    /// A group by its id, also one that is deleted.
    fn group(&self, kind: GroupKind, id: &str) -> Stored<Option<GroupRecord>>;

    /// Keys that are not deleted, in the order of their ids.
    fn keys(&self, page: Page) -> Stored<Vec<KeyRecord>>;

    /// Groups of a kind that are not deleted, in the order of their ids. Of the page's filters only `parent` counts.
    fn groups(&self, kind: GroupKind, page: Page) -> Stored<Vec<GroupRecord>>;
}

/// What is new in a store.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Everything up to this version is here, or was known.
    pub version: u64,
    /// The keys that have changed.
    pub keys: Vec<KeyRecord>,
    /// The groups that have changed.
    pub groups: Vec<GroupRecord>,
    /// There are more above this version.
    pub more: bool,
}

/// A part of a list. A filter that is absent lets all pass; the others must all fit, by what the record itself says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Begins after this id.
    pub after: Option<Arc<str>>,
    /// So many records at most.
    pub limit: usize,
    /// Made with this key; of groups, below this one.
    pub parent: Option<Arc<str>>,
    /// Of this user.
    pub user: Option<Arc<str>>,
    /// Of this team.
    pub team: Option<Arc<str>>,
    /// Of this organisation.
    pub org: Option<Arc<str>>,
}

impl Page {
    /// The first so many.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

/// A store did not do what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// Somebody else has written the record in the meantime, or its id or digest is taken.
    Conflict,
    /// There was no answer: what was to be written may have been, or not.
    Unavailable(Box<dyn Error + Send + Sync>),
}

impl KeyStoreError {
    /// For this reason.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

impl fmt::Display for KeyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "the record was changed by somebody else",
            Self::Unavailable(_) => "the store of keys did not answer",
        })
    }
}

impl Error for KeyStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Conflict => None,
            Self::Unavailable(source) => Some(&**source),
        }
    }
}
