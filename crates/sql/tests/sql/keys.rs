use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use secrecy::SecretString;
use tollgate_auth::{
    GroupKind, GroupRecord, KeyDigest, KeyRecord, KeyRing, KeyStore, KeyStoreError, Keys, NewKey,
    Page, Pepper, PreviousDigest, RingPolicy,
};
use tollgate_core::fact::{Permissions, Terms};
use tollgate_sql::{Database, SqlKeys};

use crate::on_both;

on_both! {
    a_record_is_read_as_it_was_written
    what_somebody_else_has_written_meanwhile_is_not_overwritten
    a_digest_belongs_to_one_key
    whoever_follows_hears_of_everything
    a_change_is_heard_of_by_another_replica
    a_ring_follows_what_another_replica_writes
    lists_come_in_pages_without_what_is_deleted
    versions_ascend_past_a_backup
}

async fn a_record_is_read_as_it_was_written(url: SecretString) {
    let store = open(&url).await;
    let mut key = KeyRecord {
        previous: Some(PreviousDigest {
            digest: digest(9),
            valid_until: 77,
        }),
        team: Some("search".into()),
        roles: vec!["admin".into()],
        permissions: Permissions {
            models: Some(vec!["gpt-*".into()]),
            ..Permissions::default()
        },
        terms: terms(),
        metadata: [("a".into(), "nul \0 and é".into())].into_iter().collect(),
        expires_at: Some(-1),
        ..key("a", 1)
    };
    let mut team = GroupRecord {
        terms: terms(),
        ..GroupRecord::new(GroupKind::Team, "search")
    };

    key.version = store.put_key(key.clone()).await.unwrap();
    team.version = store.put_group(team.clone()).await.unwrap();

    assert_eq!(store.key("a").await.unwrap(), Some(key.clone()));
    assert_eq!(
        store.group(GroupKind::Team, "search").await.unwrap(),
        Some(team.clone())
    );
    assert_eq!(store.group(GroupKind::Org, "search").await.unwrap(), None);
    assert_eq!(store.key("search").await.unwrap(), None);
    let changes = store.changes_since(0).await.unwrap();
    assert_eq!((changes.version, changes.more), (team.version, false));
    assert_eq!((changes.keys, changes.groups), (vec![key], vec![team]));
}

async fn what_somebody_else_has_written_meanwhile_is_not_overwritten(url: SecretString) {
    let (mine, other) = (open(&url).await, open(&url).await);
    let version = mine.put_key(key("a", 1)).await.unwrap();
    let read = KeyRecord {
        version,
        ..key("a", 1)
    };
    other
        .put_key(KeyRecord {
            disabled: true,
            ..read.clone()
        })
        .await
        .unwrap();

    let written = mine.put_key(read).await;
    let made_twice = mine.put_key(key("a", 3)).await;
    let made_of_nothing = mine
        .put_key(KeyRecord {
            version: 7,
            ..key("b", 2)
        })
        .await;

    for conflict in [written, made_twice, made_of_nothing] {
        assert!(matches!(conflict, Err(KeyStoreError::Conflict)));
    }
    assert!(mine.key("a").await.unwrap().unwrap().disabled);
}

async fn a_digest_belongs_to_one_key(url: SecretString) {
    let store = open(&url).await;
    let version = store.put_key(key("a", 1)).await.unwrap();
    let taken = store.put_key(key("b", 1)).await;
    let rotated = KeyRecord {
        version,
        previous: Some(PreviousDigest {
            digest: digest(1),
            valid_until: 0,
        }),
        ..key("a", 2)
    };
    let version = store.put_key(rotated).await.unwrap();

    let taken_before = store.put_key(key("b", 1)).await;
    store
        .put_key(KeyRecord {
            version,
            ..key("a", 3)
        })
        .await
        .unwrap();
    let free = store.put_key(key("b", 1)).await;

    assert!(matches!(taken, Err(KeyStoreError::Conflict)));
    assert!(matches!(taken_before, Err(KeyStoreError::Conflict)));
    assert!(free.is_ok());
}

async fn whoever_follows_hears_of_everything(url: SecretString) {
    let stores = [open(&url).await, open(&url).await];
    let follower = open(&url).await;
    let writers = (0..8).map(|writer| {
        let store = stores[writer % 2].clone();
        tokio::spawn(async move {
            let mut versions = Vec::new();
            for number in 0..10 {
                let number = 10 * writer + number;
                let id = format!("key-{number}");
                versions.push(store.put_key(key(&id, number as u8)).await.unwrap());
            }
            versions
        })
    });
    let writing = tokio::spawn(join_all(writers));

    let (mut heard, mut version) = (HashSet::new(), 0);
    while heard.len() < 80 {
        let changes = follower.changes_since(version).await.unwrap();
        assert!(changes.version >= version);
        version = changes.version;
        for key in changes.keys {
            assert!(heard.insert(key.id), "each is told once");
        }
    }

    let versions = writing.await.unwrap().into_iter().flat_map(Result::unwrap);
    assert_eq!(versions.collect::<HashSet<_>>().len(), 80);
}

async fn a_change_is_heard_of_by_another_replica(url: SecretString) {
    let (writer, reader) = (open(&url).await, open(&url).await);
    let version = writer.put_key(key("a", 1)).await.unwrap();
    reader.changed(0).await; // at once: there is something

    let heard = tokio::spawn({
        let reader = reader.clone();
        async move {
            while reader.changes_since(version).await.unwrap().keys.is_empty() {
                reader.changed(version).await;
            }
        }
    });
    let deleted = KeyRecord {
        version,
        deleted: true,
        ..key("a", 1)
    };
    let version = writer.put_key(deleted).await.unwrap();

    tokio::time::timeout(Duration::from_secs(20), heard)
        .await
        .unwrap()
        .unwrap();
    let changes = reader.changes_since(version - 1).await.unwrap();
    assert!(changes.keys[0].deleted);
}

async fn a_ring_follows_what_another_replica_writes(url: SecretString) {
    let (writer, reader) = (open(&url).await, open(&url).await);
    let pepper = Pepper::new("pepper");
    let ring = KeyRing::watch(reader, pepper.clone(), RingPolicy::new());
    let keys = Keys::new(writer.clone(), pepper);

    let (record, _) = keys.create(NewKey::default()).await.unwrap();
    ring.reached(record.version).await;
    let made = ring.status().digests;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(600)).await; // it has given up waiting, and waits anew
    }
    let deleted = KeyRecord {
        deleted: true,
        ..record
    };
    let version = writer.put_key(deleted).await.unwrap();
    let revoked = Instant::now();
    ring.reached(version).await;

    assert_eq!((made, ring.status().digests), (1, 0));
    println!("a revocation was in force after {:?}", revoked.elapsed());
}

async fn lists_come_in_pages_without_what_is_deleted(url: SecretString) {
    let store = open(&url).await;
    for number in 0..5 {
        let team = if number == 3 { "b" } else { "a" };
        let key = KeyRecord {
            team: Some(team.into()),
            ..key(&format!("key-{number}"), number)
        };
        let version = store.put_key(key.clone()).await.unwrap();
        if number == 1 {
            store
                .put_key(KeyRecord {
                    version,
                    deleted: true,
                    ..key
                })
                .await
                .unwrap();
        }
    }
    let ids = |keys: Vec<KeyRecord>| {
        keys.into_iter()
            .map(|key| key.id.to_string())
            .collect::<Vec<_>>()
    };

    let first = store.keys(Page::first(2)).await.unwrap();
    let after = Page {
        after: first.last().map(|key| key.id.clone()),
        ..Page::first(9)
    };
    let rest = store.keys(after).await.unwrap();
    let of_team = store
        .keys(Page {
            team: Some("a".into()),
            ..Page::first(9)
        })
        .await
        .unwrap();

    assert_eq!(ids(first), ["key-0", "key-2"]);
    assert_eq!(ids(rest), ["key-3", "key-4"]);
    assert_eq!(ids(of_team), ["key-0", "key-2", "key-4"]);
}

/// A replica that has seen what a backup has not must still hear of what comes after it.
async fn versions_ascend_past_a_backup(url: SecretString) {
    let version = open(&url).await.put_key(key("a", 1)).await.unwrap();

    let now = jiff::Timestamp::now().as_millisecond() as u64;
    assert!(version.abs_diff(now) < 60 * 60 * 1_000, "{version}");
}

async fn open(url: &SecretString) -> SqlKeys {
    SqlKeys::new(Database::open(url).await.unwrap())
}

fn key(id: &str, byte: u8) -> KeyRecord {
    KeyRecord::new(id, digest(byte))
}

fn digest(byte: u8) -> KeyDigest {
    [byte; 32].into()
}

fn terms() -> Terms {
    let terms =
        r#"{"requests_per_minute": 60, "budget": {"usd": 5, "every": "month", "hard": true}}"#;
    serde_json::from_str(terms).unwrap()
}
