use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    mem,
    sync::Arc,
};

use tollgate_core::fact::Principal;

use super::{GroupKind, GroupRecord, restrictions::Restrictions};

/// Organisations, teams and users, and what holds for whoever belongs to them.
///
/// Clones share the shards, and one that is changed copies only those that it changes.
#[derive(Clone)]
pub(super) struct Groups {
    shards: Box<[Arc<HashMap<Arc<str>, Arc<Group>>>]>,
    hasher: RandomState,
}

/// A record, as far as it matters to those who belong to the group.
pub(super) struct Group {
    pub(super) version: u64,
    pub(super) parent: Option<Arc<str>>,
    is_closed: bool,
    restrictions: Restrictions,
}

impl Groups {
    pub(super) fn get(&self, kind: GroupKind, id: &str) -> Option<&Group> {
        let group = self.shards.get(self.shard(kind, id))?.get(id)?;
        Some(group)
    }

    pub(super) fn put(&mut self, mut record: GroupRecord) {
        let (permissions, terms) = (
            mem::take(&mut record.permissions),
            mem::take(&mut record.terms),
        );
        let whose = (record.kind.scope(), &record.id);
        let group = Group {
            version: record.version,
            restrictions: Restrictions::new(whose, permissions, terms, record.classification),
            parent: record.parent,
            is_closed: record.disabled || record.deleted,
        };
        let shard = self.shard(record.kind, &record.id);
        Arc::make_mut(&mut self.shards[shard]).insert(record.id, Arc::new(group));
    }

    /// A principal with all that its groups, and those above them, say: what they restrict, and to whom they belong. Nobody
    /// gets in with two groups of one kind: a team's member who names another organisation than the team's could read, and
    /// spend, what is another's.
    ///
    /// # Errors
    /// When it is nobody: for this reason.
    pub(super) fn bind(&self, mut principal: Principal) -> Result<Principal, &'static str> {
        let mut groups: [Option<&Group>; 3] = [None; 3];
        let mut above: Option<&Arc<str>> = None;
        let mut implied = [None; 3];
        for kind in KINDS {
            let id = match (kind.of(&principal), above) {
                (Some(named), Some(above)) if *named != **above => return Err(TWO_GROUPS),
                (Some(named), _) => named,
                (None, Some(above)) => {
                    implied[kind as usize] = Some(above);
                    above
                }
                (None, None) => continue,
            };
            let group = self.get(kind, id);
            if group.is_some_and(|group| group.is_closed) {
                return Err("a group that it belongs to is disabled or deleted");
            }
            groups[kind as usize] = group;
            above = group.and_then(|group| group.parent.as_ref());
        }
        for kind in KINDS {
            if let Some(id) = implied[kind as usize] {
                principal = kind.name(principal, Arc::clone(id));
            }
            if let Some(group) = groups[kind as usize] {
                principal = group.restrictions.on(principal);
            }
        }
        Ok(principal)
    }

    fn shard(&self, kind: GroupKind, id: &str) -> usize {
        let hash = self.hasher.hash_one(id);
        kind as usize * SHARDS + hash as usize % SHARDS
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            shards: vec![Arc::default(); KINDS.len() * SHARDS].into(),
            hasher: RandomState::new(),
        }
    }
}

impl GroupKind {
    /// The group of this kind that a principal names.
    pub(super) fn of(self, principal: &Principal) -> Option<&str> {
        match self {
            Self::Org => principal.org(),
            Self::Team => principal.team(),
            Self::User => principal.user(),
        }
    }

    /// Lets a principal name a group of this kind.
    pub(super) fn name(self, principal: Principal, id: Arc<str>) -> Principal {
        match self {
            Self::Org => principal.with_org(id),
            Self::Team => principal.with_team(id),
            Self::User => principal.with_user(id),
        }
    }
}

/// From the lowest, so that each comes before those above it.
const KINDS: [GroupKind; 3] = [GroupKind::User, GroupKind::Team, GroupKind::Org];
const SHARDS: usize = 64;
pub(super) const TWO_GROUPS: &str = "it belongs to two groups of one kind";
