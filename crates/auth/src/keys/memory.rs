use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::{Future, ready},
    ops::Bound,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{Changes, GroupKind, GroupRecord, KeyRecord, KeyStore, KeyStoreError, Page, Stored};
use crate::KeyDigest;

/// Keys and groups in memory: for tests, and for what need not outlive the process. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryKeys {
    records: Arc<Mutex<Records>>,
    version: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Records {
    version: u64,
    keys: BTreeMap<Arc<str>, KeyRecord>,
    groups: BTreeMap<(GroupKind, Arc<str>), GroupRecord>,
    digests: HashMap<KeyDigest, Arc<str>>,
    /// What was changed last at which version.
    changed: BTreeMap<u64, Changed>,
}

enum Changed {
    Key(Arc<str>),
    Group(GroupKind, Arc<str>),
}

impl MemoryKeys {
    /// Without any keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written is whole at any time: a panic elsewhere leaves nothing half done.
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, write: impl FnOnce(&mut Records) -> Option<u64>) -> Stored<u64> {
        let written = write(&mut self.records());
        if let Some(version) = written {
            // Of two that write at once, the later one may come here first.
            self.version
                .send_modify(|known| *known = version.max(*known));
        }
        answer(written.ok_or(KeyStoreError::Conflict))
    }
}

impl KeyStore for MemoryKeys {
    fn changes_since(&self, version: u64) -> Stored<Changes> {
        answer(Ok(self.records().since(version)))
    }

    fn changed(&self, since: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut version = self.version.subscribe();
        Box::pin(async move {
            // The sender lives as long as the store; afterwards nothing changes any more.
            if version.wait_for(|version| *version > since).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn put_key(&self, record: KeyRecord) -> Stored<u64> {
        self.put(|records| records.put_key(record))
    }

    fn put_group(&self, record: GroupRecord) -> Stored<u64> {
        self.put(|records| records.put_group(record))
    }

    fn key(&self, id: &str) -> Stored<Option<KeyRecord>> {
        answer(Ok(self.records().keys.get(id).cloned()))
    }

    fn group(&self, kind: GroupKind, id: &str) -> Stored<Option<GroupRecord>> {
        let group = self.records().groups.get(&(kind, id.into())).cloned();
        answer(Ok(group))
    }

    fn keys(&self, page: Page) -> Stored<Vec<KeyRecord>> {
        let after = page.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let records = self.records();
        let keys = records
            .keys
            .range((after, Bound::Unbounded))
            .map(|(_, key)| key);
        let fits = |key: &&KeyRecord| {
            !key.deleted
                && fits(&page.parent, &key.parent)
                && fits(&page.user, &key.user)
                && fits(&page.team, &key.team)
                && fits(&page.org, &key.org)
        };
        answer(Ok(keys.filter(fits).take(page.limit).cloned().collect()))
    }

    fn groups(&self, kind: GroupKind, page: Page) -> Stored<Vec<GroupRecord>> {
        let after = match &page.after {
            Some(id) => Bound::Excluded((kind, Arc::clone(id))),
            None => Bound::Included((kind, "".into())),
        };
        let records = self.records();
        let groups = records.groups.range((after, Bound::Unbounded));
        let groups = groups
            .map(|(_, group)| group)
            .take_while(|group| group.kind == kind);
        let fits = |group: &&GroupRecord| !group.deleted && fits(&page.parent, &group.parent);
        answer(Ok(groups.filter(fits).take(page.limit).cloned().collect()))
    }
}

impl Records {
    fn since(&self, version: u64) -> Changes {
        let mut changes = Changes {
            version: self.version,
            ..Changes::default()
        };
        for changed in self
            .changed
            .range((Bound::Excluded(version), Bound::Unbounded))
        {
            match changed.1 {
                Changed::Key(id) => changes.keys.extend(self.keys.get(id).cloned()),
                Changed::Group(kind, id) => {
                    let group = self.groups.get(&(*kind, Arc::clone(id)));
                    changes.groups.extend(group.cloned());
                }
            }
        }
        changes
    }

    fn put_key(&mut self, mut record: KeyRecord) -> Option<u64> {
        let known = self.keys.get(&record.id);
        let taken = |digest| self.digests.get(digest).is_some_and(|id| *id != record.id);
        if known.map_or(0, |key| key.version) != record.version
            || taken(&record.digest)
            || record.previous.as_ref().is_some_and(|it| taken(&it.digest))
        {
            return None;
        }
        if let Some(known) = known {
            for digest in digests(known) {
                self.digests.remove(digest);
            }
        }
        for digest in digests(&record) {
            self.digests.insert(*digest, Arc::clone(&record.id));
        }
        record.version = self.next(record.version, Changed::Key(Arc::clone(&record.id)));
        let version = record.version;
        self.keys.insert(Arc::clone(&record.id), record);
        Some(version)
    }

    fn put_group(&mut self, mut record: GroupRecord) -> Option<u64> {
        let id = (record.kind, Arc::clone(&record.id));
        let known = self.groups.get(&id).map_or(0, |group| group.version);
        if known != record.version {
            return None;
        }
        let changed = Changed::Group(record.kind, Arc::clone(&record.id));
        record.version = self.next(record.version, changed);
        let version = record.version;
        self.groups.insert(id, record);
        Some(version)
    }

    fn next(&mut self, last: u64, changed: Changed) -> u64 {
        self.version += 1;
        self.changed.remove(&last);
        self.changed.insert(self.version, changed);
        self.version
    }
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeys")
            .field("version", &*self.version.borrow())
            .finish_non_exhaustive()
    }
}

fn digests(key: &KeyRecord) -> impl Iterator<Item = &KeyDigest> {
    let previous = key.previous.as_ref().map(|previous| &previous.digest);
    std::iter::once(&key.digest).chain(previous)
}

fn fits(filter: &Option<Arc<str>>, value: &Option<Arc<str>>) -> bool {
    filter.is_none() || filter == value
}

fn answer<T: Send + 'static>(answer: Result<T, KeyStoreError>) -> Stored<T> {
    Box::pin(ready(answer))
}
