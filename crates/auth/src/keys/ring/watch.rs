use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

use super::Shared;
use crate::keys::{
    Changes, KeyStore, KeyStoreError,
    directory::{Directory, Node},
};

/// Keeps a ring's table like the store, for as long as it is polled.
pub(super) async fn watch(shared: Arc<Shared>, store: impl KeyStore) {
    let mut directory = Directory::default();
    let mut version = None;
    loop {
        let known = version.unwrap_or_default();
        let asked = shared.started.elapsed();
        let read = timeout(shared.policy.deadline, read(&store, known));
        match read.await.map_err(KeyStoreError::unavailable).flatten() {
            Ok(changes) => {
                let is_new = version != Some(changes.version);
                if is_new {
                    version = Some(changes.version);
                    apply(&shared, &mut directory, changes).await;
                }
                let asked = u64::try_from(asked.as_millis()).unwrap_or_default();
                shared.answered.store(asked, Ordering::Release);
                if shared.failing.swap(false, Ordering::AcqRel) {
                    tracing::info!("the store of keys answers again");
                }
                // Last: whoever waits for a version uses its keys at once.
                if is_new {
                    shared.version.send_replace(version);
                }
                sleep(PAUSE).await;
                let changed = until_changed(&shared, &store, version.unwrap_or_default());
                let _ = timeout(shared.policy.refresh, changed).await;
            }
            Err(error) => {
                if !shared.failing.swap(true, Ordering::AcqRel) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the store of keys does not answer");
                }
                sleep(shared.policy.refresh).await;
            }
        }
    }
}

/// Waits for the store to tell of a change, or for somebody who knows of one.
async fn until_changed(shared: &Shared, store: &impl KeyStore, version: u64) {
    let mut changed = store.changed(version);
    let mut awaited = pin!(shared.awaited.notified());
    poll_fn(|cx| {
        let told = changed.as_mut().poll(cx).is_ready();
        if told || awaited.as_mut().poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Reads all that has changed. In parts, keys can be without those above them: only the whole is of use.
async fn read(store: &impl KeyStore, since: u64) -> Result<Changes, KeyStoreError> {
    let mut all = Changes {
        version: since,
        ..Changes::default()
    };
    loop {
        let part = store.changes_since(all.version).await?;
        // A copy that lags, or a backup: it would bring back what was revoked.
        if part.version < all.version {
            return Err(KeyStoreError::unavailable("the store is older than it was"));
        }
        if part.more && part.version == all.version {
            return Err(KeyStoreError::unavailable("the store gets no further"));
        }
        all.version = part.version;
        all.keys.extend(part.keys);
        all.groups.extend(part.groups);
        if !part.more {
            return Ok(all);
        }
    }
}

async fn apply(shared: &Shared, directory: &mut Directory, changes: Changes) {
    let mut table = (**shared.table.load()).clone();
    let mut changed = Vec::new();
    for group in changes.groups {
        changed.push(Node::Group(group.kind, Arc::clone(&group.id)));
        directory.put_group(group);
    }
    for key in changes.keys {
        changed.push(Node::Key(Arc::clone(&key.id)));
        for digest in directory.put_key(key) {
            table.remove(&digest);
        }
    }
    for (n, id) in directory.keys_below(changed).into_iter().enumerate() {
        // A change of an organisation can be one of a hundred thousand keys.
        if n % 1024 == 1023 {
            yield_now().await;
        }
        let holder = directory.resolve(&id);
        for (digest, until) in directory.digests(&id) {
            match &holder {
                Ok((principal, end)) => table.insert(digest, principal.clone(), until.min(*end)),
                Err(_) => table.remove(&digest),
            }
        }
    }
    shared.groups.store(Arc::new(directory.groups().clone()));
    shared.table.store(Arc::new(table));
}

/// However fast a store tells of changes: so often it is read, and the table copied, at most.
const PAUSE: Duration = Duration::from_millis(20);
