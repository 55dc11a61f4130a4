use std::sync::Arc;

use secrecy::SecretString;
use tollgate_core::fact::{Principal, Scope};

use super::{Keys, KeysError, NewKey};
use crate::{GroupKind, KeyRecord, keys::directory::Directory};

impl Keys {
    /// Makes a key on behalf of a caller, which cannot have more than the caller.
    ///
    /// Who came with a key of this store gets a child of that key. Anybody else, who came with a token say, gets a key of the
    /// same user, team and organisation, with the caller's tags.
    ///
    /// # Errors
    /// As [`create`](Self::create); and when the key would have roles that the caller has not, outlive the caller's own, or
    /// belong to others than the caller does.
    pub async fn create_as(
        &self,
        creator: &Principal,
        mut new: NewKey,
    ) -> Result<(KeyRecord, SecretString), KeysError> {
        let own: Arc<str> = creator.key().into();
        check(
            new.parent.as_ref().is_none_or(|parent| *parent == own),
            "it would be the child of another key",
        )?;
        check(
            new.roles.iter().all(|role| creator.roles().contains(role)),
            "it would have roles that its maker has not",
        )?;
        for (place, own) in [
            (&mut new.user, creator.user()),
            (&mut new.team, creator.team()),
            (&mut new.org, creator.org()),
        ] {
            let foreign = place.as_deref().is_some_and(|named| Some(named) != own);
            check(!foreign, "it would belong to others than its maker")?;
            *place = own.map(Into::into);
        }
        new.classification = new.classification.max(creator.clearance());
        match self.store.key(&own).await? {
            Some(record) => {
                let until = self.until(creator, &record).await?;
                let wish = new.expires_at.unwrap_or(until);
                check(
                    wish <= until,
                    "it would be valid for longer than its maker's key",
                )?;
                new.expires_at = (wish < i64::MAX).then_some(wish);
                new.parent = Some(own);
            }
            None => {
                let mut of_groups = creator.allotments().iter().map(|it| it.scope);
                let of_groups =
                    of_groups.all(|it| matches!(it, Scope::User | Scope::Team | Scope::Org));
                let groups = self.groups_of(creator).await?;
                let mut permissions = creator.permissions().iter();
                check(
                    of_groups && permissions.all(|it| groups.permissions().contains(it)),
                    "its maker has restrictions that a key without a parent would not have",
                )?;
                let belongs = creator.user().or(creator.team()).or(creator.org());
                check(belongs.is_some(), "its maker belongs to nobody")?;
                // Tags have limits; from a parent they come by themselves.
                for tag in creator.tags() {
                    if !new.tags.contains(tag) {
                        new.tags.push(Arc::clone(tag));
                    }
                }
            }
        }
        self.create(new).await
    }

    /// Whether a key was made by this caller's key, or by one that was: what a caller may manage.
    ///
    /// # Errors
    /// When there is no such key, or the store fails.
    pub async fn is_below(&self, creator: &Principal, id: &str) -> Result<bool, KeysError> {
        let record = self.get(id).await?;
        let line = self.directory(&record).await?;
        Ok(line.is_below(id, creator.key()))
    }

    /// That a record would be valid with all that is above it.
    pub(super) async fn stands(&self, record: &KeyRecord) -> Result<(), KeysError> {
        let (_, until) = self.resolve(record).await?;
        let alive = (self.clock)() < until;
        alive
            .then_some(())
            .ok_or(KeysError::Invalid("it, or a key above it, has expired"))
    }

    /// Until when a caller's key is valid, if it really is the caller's: a token can name what it likes.
    async fn until(&self, creator: &Principal, record: &KeyRecord) -> Result<i64, KeysError> {
        let (holder, until) = self.resolve(record).await?;
        let same = holder.user() == creator.user()
            && holder.team() == creator.team()
            && holder.org() == creator.org()
            && holder.roles() == creator.roles();
        check(
            same && (self.clock)() < until,
            "its maker is not who the maker's key says",
        )?;
        Ok(until)
    }

    async fn resolve(&self, record: &KeyRecord) -> Result<(Principal, i64), KeysError> {
        let directory = self.directory(record).await?;
        directory.resolve(&record.id).map_err(KeysError::Invalid)
    }

    /// Anybody of the groups that a caller names.
    async fn groups_of(&self, caller: &Principal) -> Result<Principal, KeysError> {
        let mut directory = Directory::default();
        let mut anybody = Principal::new("");
        for kind in [GroupKind::User, GroupKind::Team, GroupKind::Org] {
            if let Some(id) = kind.of(caller).map(Arc::<str>::from) {
                anybody = kind.name(anybody, Arc::clone(&id));
                self.add_group(&mut directory, kind, id).await?;
            }
        }
        let bound = directory.groups().bind(anybody);
        bound.map_err(KeysError::Invalid)
    }

    /// A record, and all that is above it.
    async fn directory(&self, record: &KeyRecord) -> Result<Directory, KeysError> {
        let mut directory = Directory::default();
        let mut next = Some(record.clone());
        while let Some(record) = next {
            let parent = record.parent.clone().filter(|id| !directory.has_key(id));
            for (kind, id) in record.groups() {
                self.add_group(&mut directory, kind, id).await?;
            }
            directory.put_key(record);
            next = match parent {
                Some(parent) => self.store.key(&parent).await?,
                None => None,
            };
        }
        Ok(directory)
    }

    async fn add_group(
        &self,
        directory: &mut Directory,
        kind: GroupKind,
        id: Arc<str>,
    ) -> Result<(), KeysError> {
        let mut next = Some((kind, id));
        while let Some((kind, id)) = next {
            let Some(group) = self.store.group(kind, &id).await? else {
                return Ok(());
            };
            next = kind.parent().zip(group.parent.clone());
            directory.put_group(group);
        }
        Ok(())
    }
}

fn check(permitted: bool, else_why: &'static str) -> Result<(), KeysError> {
    permitted.then_some(()).ok_or(KeysError::Refused(else_why))
}
