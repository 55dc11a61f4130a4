use std::{
    collections::{HashMap, HashSet},
    iter, mem,
    sync::Arc,
};

use tollgate_core::fact::{Allotment, Permissions, Principal, Scope, Terms};

use super::{GroupKind, GroupRecord, KeyRecord};
use crate::KeyDigest;

/// All keys and groups, and who is above whom.
#[derive(Default)]
pub(super) struct Directory {
    keys: HashMap<Arc<str>, Entry<KeyRecord>>,
    groups: HashMap<(GroupKind, Arc<str>), Entry<GroupRecord>>,
    below: HashMap<Node, HashSet<Node>>,
}

impl Directory {
    /// Takes in a key, unless it is older than the one that is known. Returns the digests that it was known by.
    pub(super) fn put_key(&mut self, mut record: KeyRecord) -> Vec<KeyDigest> {
        let node = Node::Key(Arc::clone(&record.id));
        let mut dropped = Vec::new();
        if let Some(known) = self.keys.get(&record.id) {
            if known.record.version >= record.version {
                return dropped;
            }
            dropped.extend(known.record.digests());
            for above in known.record.above().collect::<Vec<_>>() {
                self.unlink(&above, &node);
            }
        }
        if record.deleted {
            self.keys.remove(&record.id);
            return dropped;
        }
        for above in record.above() {
            self.below.entry(above).or_default().insert(node.clone());
        }
        let (permissions, terms) = (
            mem::take(&mut record.permissions),
            mem::take(&mut record.terms),
        );
        let entry = Entry::new(record, permissions, terms);
        self.keys.insert(Arc::clone(&entry.record.id), entry);
        dropped
    }

    /// Takes in a group, unless it is older than the one that is known.
    pub(super) fn put_group(&mut self, mut record: GroupRecord) {
        let id = (record.kind, Arc::clone(&record.id));
        let node = Node::Group(id.0, Arc::clone(&id.1));
        if let Some(known) = self.groups.get(&id) {
            if known.record.version >= record.version {
                return;
            }
            if let Some(above) = known.record.above() {
                self.unlink(&above, &node);
            }
        }
        if let Some(above) = record.above() {
            self.below.entry(above).or_default().insert(node);
        }
        let (permissions, terms) = (
            mem::take(&mut record.permissions),
            mem::take(&mut record.terms),
        );
        self.groups
            .insert(id, Entry::new(record, permissions, terms));
    }

    /// The keys among these nodes and below them.
    pub(super) fn keys_below(&self, nodes: impl IntoIterator<Item = Node>) -> Vec<Arc<str>> {
        let mut open: Vec<Node> = nodes.into_iter().collect();
        let mut seen: HashSet<Node> = open.iter().cloned().collect();
        let mut keys = Vec::new();
        while let Some(node) = open.pop() {
            let below = self.below.get(&node).into_iter().flatten();
            open.extend(below.filter(|node| seen.insert((*node).clone())).cloned());
            if let Node::Key(id) = node {
                keys.push(id);
            }
        }
        keys
    }

    pub(super) fn has_key(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    /// Whether the one key is above the other, valid or not.
    pub(super) fn is_below(&self, id: &str, above: &str) -> bool {
        let parent = |id: &str| self.keys.get(id)?.record.parent.as_deref();
        let mut line = iter::successors(parent(id), |id| parent(id)).take(DEEPEST);
        line.any(|id| id == above)
    }

    /// A key's digests, each with the time from which on it is not valid.
    pub(super) fn digests(&self, id: &str) -> Vec<(KeyDigest, i64)> {
        let Some(entry) = self.keys.get(id) else {
            return Vec::new();
        };
        let previous = entry.record.previous.map(|it| (it.digest, it.valid_until));
        let current = (entry.record.digest, i64::MAX);
        [Some(current), previous].into_iter().flatten().collect()
    }

    /// Who the holder of a key is, and until when, by all that is above the key.
    ///
    /// # Errors
    /// When nobody is: for this reason.
    pub(super) fn resolve(&self, id: &str) -> Result<(Principal, i64), &'static str> {
        let line = self.line(id)?;
        let groups = self.groups_of(&line)?;
        let mut principal = Principal::new(Arc::clone(&line[0].record.id));
        let (mut classification, mut until) = (None, i64::MAX);

        for Entry {
            record,
            permissions,
            terms,
        } in &line
        {
            principal = allot(principal, Scope::Key, &record.id, permissions, terms);
            classification = classification.max(record.classification);
            until = until.min(record.expires_at.unwrap_or(i64::MAX));
        }
        for (kind, group) in KINDS.into_iter().zip(groups) {
            let Some((id, entry)) = group else { continue };
            if let Some(Entry {
                record,
                permissions,
                terms,
            }) = entry
            {
                principal = allot(principal, kind.scope(), &id, permissions, terms);
                classification = classification.max(record.classification);
            }
            principal = match kind {
                GroupKind::Org => principal.with_org(id),
                GroupKind::Team => principal.with_team(id),
                GroupKind::User => principal.with_user(id),
            };
        }
        if let Some(classification) = classification {
            principal = principal.with_clearance(classification);
        }
        Ok((
            principal.with_roles(roles(&line)).with_tags(tags(&line)),
            until,
        ))
    }

    /// A key and those above it. All must be there.
    fn line(&self, id: &str) -> Result<Vec<&Entry<KeyRecord>>, &'static str> {
        let mut line = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            if line.len() == DEEPEST {
                return Err("too many keys are above it, or a circle of them");
            }
            let entry = self
                .keys
                .get(id)
                .ok_or("it, or a key above it, is not there")?;
            if entry.record.disabled {
                return Err("it, or a key above it, is disabled");
            }
            next = entry.record.parent.as_deref();
            line.push(entry);
        }
        Ok(line)
    }

    /// The organisation, team and user that a line of keys belongs to. A key can belong where its parent does not belong
    /// anywhere, but nowhere else than its parent: or it could read, and spend, what is another's.
    fn groups_of(&self, line: &[&Entry<KeyRecord>]) -> Result<Groups<'_>, &'static str> {
        let mut groups = Groups::default();
        for entry in line.iter().rev() {
            for (kind, id) in entry.record.groups() {
                let mut next = Some((kind, id));
                while let Some((kind, id)) = next {
                    let entry = self.groups.get(&(kind, Arc::clone(&id)));
                    let record = entry.map(|entry| &entry.record);
                    if record.is_some_and(|group| group.disabled || group.deleted) {
                        return Err("a group that it belongs to is disabled or deleted");
                    }
                    let above = record.and_then(|group| group.parent.clone());
                    let place = &mut groups[kind as usize];
                    if place.as_ref().is_some_and(|(known, _)| *known != id) {
                        return Err("it belongs to two groups of one kind");
                    }
                    *place = Some((id, entry));
                    next = kind.parent().zip(above);
                }
            }
        }
        Ok(groups)
    }

    fn unlink(&mut self, above: &Node, node: &Node) {
        if let Some(below) = self.below.get_mut(above) {
            below.remove(node);
            if below.is_empty() {
                self.below.remove(above);
            }
        }
    }
}

/// A key or a group.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) enum Node {
    Key(Arc<str>),
    Group(GroupKind, Arc<str>),
}

/// A record, with what is shared by all that are below it. What does not restrict is absent.
struct Entry<R> {
    record: R,
    permissions: Option<Arc<Permissions>>,
    terms: Option<Arc<Terms>>,
}

/// By [`GroupKind`]. A group without a record restricts nothing.
type Groups<'a> = [Option<(Arc<str>, Option<&'a Entry<GroupRecord>>)>; 3];

impl<R> Entry<R> {
    fn new(record: R, permissions: Permissions, terms: Terms) -> Self {
        let restricts = permissions != Permissions::default();
        Self {
            record,
            permissions: restricts.then(|| Arc::new(permissions)),
            terms: (!terms.is_empty()).then(|| Arc::new(terms)),
        }
    }
}

impl KeyRecord {
    fn digests(&self) -> impl Iterator<Item = KeyDigest> {
        let previous = self.previous.map(|previous| previous.digest);
        [Some(self.digest), previous].into_iter().flatten()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (GroupKind, Arc<str>)> {
        let groups = [
            (GroupKind::User, &self.user),
            (GroupKind::Team, &self.team),
            (GroupKind::Org, &self.org),
        ];
        groups
            .into_iter()
            .filter_map(|(kind, id)| Some((kind, Arc::clone(id.as_ref()?))))
    }

    fn above(&self) -> impl Iterator<Item = Node> {
        let groups = self.groups().map(|(kind, id)| Node::Group(kind, id));
        self.parent.clone().map(Node::Key).into_iter().chain(groups)
    }
}

impl GroupRecord {
    fn above(&self) -> Option<Node> {
        let above = self.kind.parent().zip(self.parent.clone());
        above.map(|(kind, id)| Node::Group(kind, id))
    }
}

fn allot(
    mut principal: Principal,
    scope: Scope,
    account: &Arc<str>,
    permissions: &Option<Arc<Permissions>>,
    terms: &Option<Arc<Terms>>,
) -> Principal {
    if let Some(permissions) = permissions {
        principal = principal.with_permissions(Arc::clone(permissions));
    }
    if let Some(terms) = terms {
        principal = principal.with_allotment(Allotment {
            scope,
            account: Arc::clone(account),
            terms: Arc::clone(terms),
        });
    }
    principal
}

/// Those that all keys of a line have.
fn roles(line: &[&Entry<KeyRecord>]) -> Vec<Arc<str>> {
    let (key, above) = line.split_first().expect("a line begins with a key");
    let roles = key.record.roles.iter();
    let held = roles.filter(|role| above.iter().all(|entry| entry.record.roles.contains(role)));
    held.cloned().collect()
}

/// Those that any key of a line has: a child that could leave one out would be free of the tag's limits.
fn tags(line: &[&Entry<KeyRecord>]) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in line.iter().flat_map(|entry| &entry.record.tags) {
        if !tags.contains(tag) {
            tags.push(Arc::clone(tag));
        }
    }
    tags
}

/// In the order of their numbers.
const KINDS: [GroupKind; 3] = [GroupKind::Org, GroupKind::Team, GroupKind::User];

/// How many keys can be one above the other.
const DEEPEST: usize = 16;
