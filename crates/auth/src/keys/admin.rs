mod checks;
mod delegate;
mod error;
mod input;

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    Clock, GroupKind, GroupRecord, KeyRecord, KeyStore, KeyStoreError, Page, PreviousDigest,
    secret, system_clock,
};
use crate::Pepper;

pub use self::{
    error::KeysError,
    input::{KeyPatch, NewKey},
};

/// Makes, changes and revokes the keys of a [`KeyStore`].
///
/// A key is shown once, by [`create`](Self::create) and [`rotate`](Self::rotate); what is stored is its digest. Whatever is
/// written is in force wherever a [`KeyRing`](crate::KeyRing) watches the same store, within its
/// [`refresh`](crate::RingPolicy::refresh).
///
/// ```
/// use std::time::Duration;
/// use secrecy::ExposeSecret;
/// use tollgate_auth::{Keys, MemoryKeys, NewKey, Pepper};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tollgate_auth::KeysError> {
/// let keys = Keys::new(MemoryKeys::new(), Pepper::new("from the operator's vault"));
///
/// let (record, key) = keys.create(NewKey { team: Some("search".into()), ..NewKey::default() }).await?;
/// assert!(key.expose_secret().starts_with(&record.hint));
///
/// let (record, newer) = keys.rotate(&record.id, Duration::from_secs(3600)).await?; // both are valid for an hour
/// keys.disable(&record.id).await?; // none is
/// # let _ = newer; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Keys {
    store: Arc<dyn KeyStore>,
    pepper: Pepper,
    clock: Clock,
}

impl Keys {
    /// The keys of a store, under the pepper of all that read it.
    pub fn new(store: impl KeyStore, pepper: Pepper) -> Self {
        Self {
            store: Arc::new(store),
            pepper,
            clock: system_clock,
        }
    }

    /// Sets where the time comes from, in milliseconds since 1970.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Makes a key. It is in the answer, and nowhere else.
    ///
    /// # Errors
    /// When what is above it is not there or not valid, when something is too long, or when the store fails: then the key may
    /// have been stored, but nobody knows it.
    pub async fn create(&self, new: NewKey) -> Result<(KeyRecord, SecretString), KeysError> {
        let (key, hint) = secret::new();
        let digest = self.pepper.digest(key.expose_secret());
        let mut record = new.record(secret::new_id(), digest);
        record.hint = hint;
        record.created_at = (self.clock)();
        checks::key(&record)?;
        self.stands(&record).await?;
        record.version = self.store.put_key(record.clone()).await?;
        Ok((record, key))
    }

    /// Puts a new key in the place of an old one, which stays valid for a while. Then one that was rotated before is not.
    ///
    /// # Errors
    /// When there is no such key, or the store fails: then the old key may have been replaced, and has to be again.
    pub async fn rotate(
        &self,
        id: &str,
        grace: Duration,
    ) -> Result<(KeyRecord, SecretString), KeysError> {
        let (key, hint) = secret::new();
        let digest = self.pepper.digest(key.expose_secret());
        let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let valid_until = (self.clock)().saturating_add(grace);
        let rotate = |record: &mut KeyRecord| {
            record.previous = (grace > 0).then_some(PreviousDigest {
                digest: record.digest,
                valid_until,
            });
            record.digest = digest;
            record.hint.clone_from(&hint);
        };
        Ok((self.change(id, rotate).await?, key))
    }

    /// Changes what a patch names.
    ///
    /// # Errors
    /// When there is no such key, when the patch was made for another version, when something is too long, or when the store
    /// fails.
    pub async fn update(&self, id: &str, patch: KeyPatch) -> Result<KeyRecord, KeysError> {
        let mut record = self.get(id).await?;
        if patch
            .version
            .is_some_and(|version| version != record.version)
        {
            return Err(KeysError::Conflict);
        }
        patch.apply(&mut record);
        checks::key(&record)?;
        record.version = self.store.put_key(record.clone()).await?;
        Ok(record)
    }

    /// Makes a key invalid, and all keys below it, until it is enabled.
    ///
    /// # Errors
    /// When there is no such key, or the store fails.
    pub async fn disable(&self, id: &str) -> Result<KeyRecord, KeysError> {
        self.change(id, |record| record.disabled = true).await
    }

    /// Makes a key valid again.
    ///
    /// # Errors
    /// When there is no such key, or the store fails.
    pub async fn enable(&self, id: &str) -> Result<KeyRecord, KeysError> {
        self.change(id, |record| record.disabled = false).await
    }

    /// Makes a key invalid for ever, and all keys below it.
    ///
    /// # Errors
    /// When there is no such key, or the store fails.
    pub async fn delete(&self, id: &str) -> Result<KeyRecord, KeysError> {
        self.change(id, |record| record.deleted = true).await
    }

    /// A key by its id.
    ///
    /// # Errors
    /// When there is no such key, or the store fails.
    pub async fn get(&self, id: &str) -> Result<KeyRecord, KeysError> {
        let record = self.store.key(id).await?;
        record.filter(|it| !it.deleted).ok_or(KeysError::NotFound)
    }

    /// Some keys, in the order of their ids; a thousand at most.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, page: Page) -> Result<Vec<KeyRecord>, KeysError> {
        Ok(self.store.keys(checks::page(page)).await?)
    }

    /// Writes an organisation, a team or a user.
    ///
    /// # Errors
    /// When the record was made of another version than the last one, when there was a group of this name that is deleted, when
    /// something is too long, or when the store fails.
    pub async fn put_group(&self, mut record: GroupRecord) -> Result<GroupRecord, KeysError> {
        if record.version == 0 {
            record.created_at = (self.clock)();
        }
        checks::group(&record)?;
        match self.store.put_group(record.clone()).await {
            Err(KeyStoreError::Conflict) if self.was_deleted(&record).await? => {
                let why = "it was deleted, and its name is not given again";
                Err(KeysError::Invalid(why))
            }
            written => {
                record.version = written?;
                Ok(record)
            }
        }
    }

    /// A group by its kind and id.
    ///
    /// # Errors
    /// When there is no such group, or the store fails.
    pub async fn group(&self, kind: GroupKind, id: &str) -> Result<GroupRecord, KeysError> {
        let record = self.store.group(kind, id).await?;
        record.filter(|it| !it.deleted).ok_or(KeysError::NotFound)
    }

    /// Some groups of a kind, in the order of their ids; a thousand at most.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn groups(&self, kind: GroupKind, page: Page) -> Result<Vec<GroupRecord>, KeysError> {
        Ok(self.store.groups(kind, checks::page(page)).await?)
    }

    async fn was_deleted(&self, group: &GroupRecord) -> Result<bool, KeysError> {
        let known = self.store.group(group.kind, &group.id).await?;
        Ok(known.is_some_and(|known| known.deleted))
    }

    /// Changes a key whatever others do to it in the meantime: revoking must not fail for that.
    async fn change(
        &self,
        id: &str,
        change: impl Fn(&mut KeyRecord),
    ) -> Result<KeyRecord, KeysError> {
        for _ in 0..ATTEMPTS {
            let mut record = self.get(id).await?;
            change(&mut record);
            match self.store.put_key(record.clone()).await {
                Err(KeyStoreError::Conflict) => {}
                written => {
                    record.version = written?;
                    return Ok(record);
                }
            }
        }
        Err(KeysError::Conflict)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

const ATTEMPTS: usize = 8;
