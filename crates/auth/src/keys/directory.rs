use std::{
    collections::{HashMap, HashSet},
    iter, mem,
    sync::Arc,
};

use tollgate_core::fact::{Principal, Scope};

use super::{
    GroupKind, GroupRecord, KeyRecord,
    groups::{Groups, TWO_GROUPS},
    restrictions::Restrictions,
};
use crate::KeyDigest;

/// All keys and groups, and who is above whom.
#[derive(Default)]
pub(super) struct Directory {
    keys: HashMap<Arc<str>, Entry>,
    groups: Groups,
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
        let restrictions = Restrictions::new(
            (Scope::Key, &record.id),
            mem::take(&mut record.permissions),
            mem::take(&mut record.terms),
            record.classification,
        );
        let id = Arc::clone(&record.id);
        self.keys.insert(
            id,
            Entry {
                record,
                restrictions,
            },
        );
        dropped
    }

    /// Takes in a group, unless it is older than the one that is known.
    pub(super) fn put_group(&mut self, record: GroupRecord) {
        let node = Node::Group(record.kind, Arc::clone(&record.id));
        if let Some(known) = self.groups.get(record.kind, &record.id) {
            if known.version >= record.version {
                return;
            }
            if let Some(above) = above(record.kind, &known.parent) {
                self.unlink(&above, &node);
            }
        }
        if let Some(above) = above(record.kind, &record.parent) {
            self.below.entry(above).or_default().insert(node);
        }
        self.groups.put(record);
    }

    pub(super) const fn groups(&self) -> &Groups {
        &self.groups
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
        let mut principal = belonging(Principal::new(Arc::clone(&line[0].record.id)), &line)?;
        let mut until = i64::MAX;
        for entry in &line {
            principal = entry.restrictions.on(principal);
            until = until.min(entry.record.expires_at.unwrap_or(i64::MAX));
        }
        let principal = principal.with_roles(roles(&line)).with_tags(tags(&line));
        Ok((self.groups.bind(principal)?, until))
    }

    /// A key and those above it. All must be there.
    fn line(&self, id: &str) -> Result<Vec<&Entry>, &'static str> {
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

struct Entry {
    /// Without what is in the restrictions.
    record: KeyRecord,
    restrictions: Restrictions,
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

/// The group above one of this kind.
fn above(kind: GroupKind, parent: &Option<Arc<str>>) -> Option<Node> {
    let above = kind.parent().zip(parent.clone());
    above.map(|(kind, id)| Node::Group(kind, id))
}

/// A principal that names the groups of a line of keys. A key can belong where its parent does not belong anywhere, but
/// nowhere else than its parent.
fn belonging(mut principal: Principal, line: &[&Entry]) -> Result<Principal, &'static str> {
    for entry in line {
        for (kind, id) in entry.record.groups() {
            match kind.of(&principal) {
                Some(known) if *known != *id => return Err(TWO_GROUPS),
                Some(_) => {}
                None => principal = kind.name(principal, id),
            }
        }
    }
    Ok(principal)
}

/// Those that all keys of a line have.
fn roles(line: &[&Entry]) -> Vec<Arc<str>> {
    let (key, above) = line.split_first().expect("a line begins with a key");
    let roles = key.record.roles.iter();
    let held = roles.filter(|role| above.iter().all(|entry| entry.record.roles.contains(role)));
    held.cloned().collect()
}

/// Those that any key of a line has: a child that could leave one out would be free of the tag's limits.
fn tags(line: &[&Entry]) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in line.iter().flat_map(|entry| &entry.record.tags) {
        if !tags.contains(tag) {
            tags.push(Arc::clone(tag));
        }
    }
    tags
}

/// How many keys can be one above the other.
const DEEPEST: usize = 16;
