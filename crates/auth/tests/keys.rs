//! Keys that are made, changed and revoked, and how a ring hears of it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::advance;
use tollgate_auth::{
    Changes, Check, Credential, GroupKind, GroupRecord, KeyPatch, KeyRecord, KeyRing, KeyStore,
    KeyStoreError, Keys, KeysError, MemoryKeys, NewKey, Page, Pepper, RingPolicy, Stored, Verdict,
    Verifier,
};
use tollgate_core::fact::{Clearance, Principal, Scope};

const DAY: i64 = 86_400_000;

fn pepper() -> Pepper {
    Pepper::new("a pepper for tests")
}

fn keys(store: &Fragile) -> Keys {
    Keys::new(store.clone(), pepper())
}

async fn ring(store: &Fragile, policy: RingPolicy) -> KeyRing {
    let ring = KeyRing::watch(store.clone(), pepper(), policy);
    ring.reached(0).await;
    ring
}

fn ask(ring: &KeyRing, key: &str) -> Verdict {
    let value = HeaderValue::try_from(key).unwrap();
    match ring.verify(&Credential::new(&value).unwrap()) {
        Check::Now(verdict) => verdict,
        Check::Later(_) => unreachable!("a ring decides at once"),
    }
}

/// The key's name, or why it is not let in.
fn told(ring: &KeyRing, key: &SecretString) -> String {
    match ask(ring, key.expose_secret()) {
        Verdict::Known(principal) => principal.key().to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Refused(rejection) => rejection.code().to_owned(),
    }
}

fn principal(ring: &KeyRing, key: &SecretString) -> Principal {
    match ask(ring, key.expose_secret()) {
        Verdict::Known(principal) => principal,
        verdict => panic!("not let in: {verdict:?}"),
    }
}

/// A store that can be taken away, and one that forgets.
#[derive(Clone, Debug, Default)]
struct Fragile {
    inner: MemoryKeys,
    down: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    /// It tells of no change.
    silent: Arc<AtomicBool>,
    /// Pretends that its version is this one.
    version: Arc<AtomicU64>,
    reads: Arc<AtomicU64>,
}

impl Fragile {
    fn guarded<T: Send + 'static>(&self, stored: Stored<T>) -> Stored<T> {
        let hangs = self.hangs.load(Ordering::SeqCst);
        let down = self.down.load(Ordering::SeqCst);
        Box::pin(async move {
            match (hangs, down) {
                (true, _) => std::future::pending().await,
                (_, true) => Err(KeyStoreError::unavailable("it was taken away")),
                _ => stored.await,
            }
        })
    }
}

impl KeyStore for Fragile {
    fn changes_since(&self, version: u64) -> Stored<Changes> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.version.load(Ordering::SeqCst) {
            0 => self.guarded(self.inner.changes_since(version)),
            version => self.guarded(Box::pin(async move {
                Ok(Changes {
                    version,
                    ..Changes::default()
                })
            })),
        }
    }

    fn changed(&self, since: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self.silent.load(Ordering::SeqCst) {
            true => Box::pin(std::future::pending()),
            false => self.inner.changed(since),
        }
    }

    fn put_key(&self, record: KeyRecord) -> Stored<u64> {
        self.guarded(self.inner.put_key(record))
    }

    fn put_group(&self, record: GroupRecord) -> Stored<u64> {
        self.guarded(self.inner.put_group(record))
    }

    fn key(&self, id: &str) -> Stored<Option<KeyRecord>> {
        self.guarded(self.inner.key(id))
    }

    fn group(&self, kind: GroupKind, id: &str) -> Stored<Option<GroupRecord>> {
        self.guarded(self.inner.group(kind, id))
    }

    fn keys(&self, page: Page) -> Stored<Vec<KeyRecord>> {
        self.guarded(self.inner.keys(page))
    }

    fn groups(&self, kind: GroupKind, page: Page) -> Stored<Vec<GroupRecord>> {
        self.guarded(self.inner.groups(kind, page))
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_let_in_with_all_that_it_belongs_to() {
    let store = Fragile::default();
    let keys = keys(&store);
    let team = GroupRecord {
        parent: Some("acme".into()),
        terms: serde_json::from_str(r#"{"requests_per_minute":10}"#).unwrap(),
        classification: Some(Clearance::Confidential),
        ..GroupRecord::new(GroupKind::Team, "search")
    };
    keys.put_group(team).await.unwrap();
    let new: NewKey = serde_json::from_str(
        r#"{"name":"ci","team":"search","roles":["admin"],"tags":["blue"],"permissions":{"models":["gpt-*"]},
            "terms":{"concurrency":2},"classification":"internal"}"#,
    )
    .unwrap();
    let (record, key) = keys.create(new).await.unwrap();

    let ring = ring(&store, RingPolicy::new()).await;
    let principal = principal(&ring, &key);

    assert_eq!(principal.key(), &*record.id);
    assert_eq!(
        (principal.team(), principal.org()),
        (Some("search"), Some("acme"))
    );
    assert_eq!(principal.roles(), ["admin".into()]);
    assert_eq!(principal.tags(), ["blue".into()]);
    assert_eq!(principal.clearance(), Some(Clearance::Confidential));
    assert!(principal.may_call("gpt-4o") && !principal.may_call("claude"));
    let scopes: Vec<_> = principal
        .allotments()
        .iter()
        .map(|it| (it.scope, &*it.account))
        .collect();
    assert_eq!(scopes, [(Scope::Key, &*record.id), (Scope::Team, "search")]);
}

#[tokio::test(start_paused = true)]
async fn a_key_has_its_shape_and_shows_its_beginning_only() {
    let store = Fragile::default();
    let (record, key) = keys(&store).create(NewKey::default()).await.unwrap();

    let text = key.expose_secret();
    assert_eq!(text.len(), 55, "one block of SHA-256, with the pepper");
    assert!(text.starts_with("tg-") && text.as_bytes()[11] == b'_');
    assert_eq!(record.hint, text[..11]);
    assert_eq!(record.digest, pepper().digest(text));
    for shown in [
        format!("{record:?}"),
        format!("{key:?}"),
        serde_json::to_string(&record).unwrap(),
    ] {
        assert!(!shown.contains(&text[12..]), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_wrong_keys_are_told_the_same() {
    static NOW: AtomicI64 = AtomicI64::new(DAY);
    let clock = || NOW.load(Ordering::SeqCst);
    let store = Fragile::default();
    let keys = keys(&store).clock(clock);
    let create = async |new: NewKey| keys.create(new).await.unwrap();
    let (good, good_key) = create(NewKey::default()).await;
    let (disabled, disabled_key) = create(NewKey::default()).await;
    keys.disable(&disabled.id).await.unwrap();
    let (deleted, deleted_key) = create(NewKey::default()).await;
    keys.delete(&deleted.id).await.unwrap();
    let (rotated, rotated_key) = create(NewKey::default()).await;
    keys.rotate(&rotated.id, Duration::ZERO).await.unwrap();
    let expiring = NewKey {
        expires_at: Some(2 * DAY),
        ..NewKey::default()
    };
    let (_, expired_key) = create(expiring).await;
    let (in_grace, in_grace_key) = create(NewKey::default()).await;
    keys.rotate(&in_grace.id, Duration::from_secs(3600))
        .await
        .unwrap();

    let ring = ring(&store, RingPolicy::new().clock(clock)).await;

    assert_ne!(told(&ring, &expired_key), "unknown", "not yet");
    assert_ne!(told(&ring, &in_grace_key), "unknown", "not yet");
    NOW.store(2 * DAY, Ordering::SeqCst);
    assert_eq!(told(&ring, &good_key), &*good.id);
    let good_key = good_key.expose_secret();
    let prefix = SecretString::from(format!("{}{}", &good_key[..12], "x".repeat(43)));
    let last = SecretString::from(format!("{}~", &good_key[..54]));
    let longer = SecretString::from(format!("{good_key}x"));
    let never = SecretString::from("tg-never");
    for key in [
        &disabled_key,
        &deleted_key,
        &rotated_key,
        &expired_key,
        &in_grace_key,
        &prefix,
        &last,
        &longer,
        &never,
    ] {
        assert_eq!(told(&ring, key), "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_in_force_at_once_where_the_store_tells_of_it() {
    let store = Fragile::default();
    let keys = keys(&store);
    let (record, key) = keys.create(NewKey::default()).await.unwrap();
    let ring = ring(&store, RingPolicy::new().refresh(Duration::from_secs(3600))).await;

    for _ in 0..2 {
        let version = keys.disable(&record.id).await.unwrap().version;
        ring.reached(version).await;
        assert_eq!(told(&ring, &key), "unknown");
        let version = keys.enable(&record.id).await.unwrap().version;
        ring.reached(version).await;
        assert_eq!(told(&ring, &key), &*record.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_of_nothing_is_asked_in_time_and_at_once_by_who_knows_more() {
    let store = Fragile::default();
    store.silent.store(true, Ordering::SeqCst);
    let keys = keys(&store);
    let (record, key) = keys.create(NewKey::default()).await.unwrap();
    let ring = ring(&store, RingPolicy::new()).await;

    let disabled = keys.disable(&record.id).await.unwrap();
    let asked = tokio::time::Instant::now();
    ring.reached(disabled.version).await;
    assert!(
        asked.elapsed() < Duration::from_millis(50),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(told(&ring, &key), "unknown");

    keys.enable(&record.id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(told(&ring, &key), &*record.id);
}

#[tokio::test(start_paused = true)]
async fn both_keys_are_valid_in_the_grace_of_a_rotation_but_no_third_one() {
    let store = Fragile::default();
    let keys = keys(&store);
    let hour = Duration::from_secs(3600);
    let (record, first) = keys.create(NewKey::default()).await.unwrap();
    let (_, second) = keys.rotate(&record.id, hour).await.unwrap();
    let ring = ring(&store, RingPolicy::new()).await;

    assert_eq!(
        [told(&ring, &first), told(&ring, &second)],
        [&*record.id; 2]
    );
    let (rotated, third) = keys.rotate(&record.id, hour).await.unwrap();
    ring.reached(rotated.version).await;

    assert_eq!(told(&ring, &first), "unknown");
    assert_eq!(
        [told(&ring, &second), told(&ring, &third)],
        [&*record.id; 2]
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_is_above_a_key_disables_it() {
    let store = Fragile::default();
    let keys = keys(&store);
    let org = keys
        .put_group(GroupRecord::new(GroupKind::Org, "acme"))
        .await
        .unwrap();
    let team = GroupRecord {
        parent: Some("acme".into()),
        ..GroupRecord::new(GroupKind::Team, "search")
    };
    keys.put_group(team).await.unwrap();
    let parent = NewKey {
        team: Some("search".into()),
        ..NewKey::default()
    };
    let (parent, _) = keys.create(parent).await.unwrap();
    let child = NewKey {
        parent: Some(parent.id.clone()),
        ..NewKey::default()
    };
    let (child, key) = keys.create(child).await.unwrap();
    let ring = ring(&store, RingPolicy::new()).await;
    assert_eq!(told(&ring, &key), &*child.id);
    assert_eq!(principal(&ring, &key).org(), Some("acme"), "inherited");

    let disabled = keys
        .put_group(GroupRecord {
            disabled: true,
            ..org
        })
        .await
        .unwrap();
    ring.reached(disabled.version).await;
    assert_eq!(told(&ring, &key), "unknown");

    let enabled = keys
        .put_group(GroupRecord {
            disabled: false,
            ..disabled
        })
        .await
        .unwrap();
    ring.reached(enabled.version).await;
    assert_eq!(told(&ring, &key), &*child.id);

    let expired = KeyPatch {
        expires_at: Some(Some(1)),
        ..KeyPatch::default()
    };
    ring.reached(keys.update(&parent.id, expired).await.unwrap().version)
        .await;
    assert_eq!(told(&ring, &key), "unknown");

    let for_ever = KeyPatch {
        expires_at: Some(None),
        ..KeyPatch::default()
    };
    ring.reached(keys.update(&parent.id, for_ever).await.unwrap().version)
        .await;
    assert_eq!(told(&ring, &key), &*child.id);

    ring.reached(keys.delete(&parent.id).await.unwrap().version)
        .await;
    assert_eq!(told(&ring, &key), "unknown");

    let deleted = keys
        .put_group(GroupRecord {
            deleted: true,
            ..enabled
        })
        .await
        .unwrap();
    ring.reached(deleted.version).await;
    assert_eq!(told(&ring, &key), "unknown");
}

#[tokio::test(start_paused = true)]
async fn circles_and_missing_parents_fail_closed() {
    let store = Fragile::default();
    let key = |id: &str, parent: &str| KeyRecord {
        parent: Some(parent.into()),
        ..KeyRecord::new(id, pepper().digest(&format!("tg-{id}")))
    };
    for record in [
        key("a", "b"),
        key("b", "a"),
        key("self", "self"),
        key("orphan", "nobody"),
        key("c", "a"),
    ] {
        store.put_key(record).await.unwrap();
    }
    let ring = ring(&store, RingPolicy::new()).await;

    for id in ["a", "b", "self", "orphan", "c"] {
        assert_eq!(told(&ring, &format!("tg-{id}").into()), "unknown", "{id}");
    }
    let parent = KeyRecord::new("nobody", pepper().digest("tg-nobody"));
    ring.reached(store.put_key(parent).await.unwrap()).await;
    assert_eq!(
        told(&ring, &"tg-orphan".to_owned().into()),
        "orphan",
        "its parent has come"
    );
}

#[tokio::test(start_paused = true)]
async fn without_its_store_a_ring_goes_on_for_a_while_and_then_fails_closed() {
    let store = Fragile::default();
    let (record, key) = keys(&store).create(NewKey::default()).await.unwrap();
    let wrong = SecretString::from("tg-wrong");
    let ring = ring(&store, RingPolicy::new().max_stale(Duration::from_secs(60))).await;
    assert_eq!(told(&ring, &wrong), "unknown");

    for take_away in [&store.down, &store.hangs] {
        take_away.store(true, Ordering::SeqCst);
        advance(Duration::from_secs(10)).await;
        settle().await;
        assert!(!ring.status().reachable);
        assert_eq!(told(&ring, &wrong), "keys_unavailable");
        assert_eq!(told(&ring, &key), &*record.id);

        advance(Duration::from_secs(55)).await;
        assert_eq!(told(&ring, &wrong), "keys_unavailable");
        assert_eq!(told(&ring, &key), "keys_unavailable");

        take_away.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(told(&ring, &wrong), "unknown");
        assert_eq!(told(&ring, &key), &*record.id);
    }
}

#[tokio::test(start_paused = true)]
async fn groups_bind_while_the_store_is_away_and_then_nobody_who_names_one_is_let_in() {
    let store = Fragile::default();
    let keys = keys(&store);
    let mut team = GroupRecord::new(GroupKind::Team, "search");
    team.permissions.models = Some(Vec::new());
    keys.put_group(team).await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    let policy = RingPolicy::new().max_stale(Duration::from_secs(60));
    let ring = KeyRing::watch(store.clone(), pepper(), policy);
    let told = |principal: Principal| match ring.bind(principal) {
        Verdict::Known(principal) if principal.may_call("any") => "free".to_owned(),
        Verdict::Known(_) => "bound".to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Refused(rejection) => rejection.code().to_owned(),
    };
    let nobodys = || Principal::new("a-token");
    let in_team = || nobodys().with_team("search");
    let in_another = || nobodys().with_team("sales");

    settle().await;
    for who in [in_team(), in_another(), nobodys().with_user("ann")] {
        assert_eq!(told(who), "keys_unavailable", "it was never read");
    }
    assert_eq!(told(nobodys()), "free");

    store.down.store(false, Ordering::SeqCst);
    ring.reached(0).await;
    store.down.store(true, Ordering::SeqCst);
    advance(Duration::from_secs(55)).await;
    settle().await;
    assert!(!ring.status().reachable);
    assert_eq!(told(in_team()), "bound");
    assert_eq!(told(in_another()), "free");

    advance(Duration::from_secs(10)).await;
    for who in [in_team(), in_another()] {
        assert_eq!(told(who), "keys_unavailable");
    }
    assert_eq!(told(nobodys()), "free");
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_has_never_read_its_store_lets_nobody_in() {
    let store = Fragile::default();
    let (_, key) = keys(&store).create(NewKey::default()).await.unwrap();
    store.down.store(true, Ordering::SeqCst);

    let ring = KeyRing::watch(store.clone(), pepper(), RingPolicy::new());

    settle().await;
    assert_eq!(told(&ring, &key), "keys_unavailable");
    assert_eq!(
        told(&ring, &SecretString::from("tg-wrong")),
        "keys_unavailable"
    );
    assert_eq!(
        told(&ring, &SecretString::from("eyJhbGciOi.x.y")),
        "unknown",
        "the next verifier's"
    );
}

#[tokio::test(start_paused = true)]
async fn an_older_store_never_brings_back_what_was_revoked() {
    let store = Fragile::default();
    let keys = keys(&store);
    let (record, key) = keys.create(NewKey::default()).await.unwrap();
    let ring = ring(&store, RingPolicy::new()).await;
    ring.reached(keys.delete(&record.id).await.unwrap().version)
        .await;

    store.version.store(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert_eq!(ring.status().version, Some(2));
    assert!(!ring.status().reachable);
    assert_eq!(told(&ring, &key), "keys_unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_ring_reads_its_store_no_more_than_its_refresh_says_and_ends_with_its_last_clone() {
    let store = Fragile::default();
    let ring = ring(&store, RingPolicy::new()).await;

    tokio::time::sleep(Duration::from_secs(10)).await;
    let reads = store.reads.load(Ordering::SeqCst);
    assert!((15..=21).contains(&reads), "{reads}");

    drop(ring.clone());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(store.reads.load(Ordering::SeqCst) > reads);

    drop(ring);
    settle().await;
    let reads = store.reads.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(store.reads.load(Ordering::SeqCst), reads);
}

#[tokio::test(start_paused = true)]
async fn two_that_write_at_once_do_not_overwrite_each_other() {
    let store = Fragile::default();
    let keys = keys(&store);
    let (record, _) = keys.create(NewKey::default()).await.unwrap();
    let patch = |name: &str, version| KeyPatch {
        name: Some(name.into()),
        version,
        ..KeyPatch::default()
    };

    keys.update(&record.id, patch("one", Some(record.version)))
        .await
        .unwrap();
    let late = keys
        .update(&record.id, patch("two", Some(record.version)))
        .await;

    assert!(matches!(late, Err(KeysError::Conflict)), "{late:?}");
    assert_eq!(keys.get(&record.id).await.unwrap().name, "one");
    let copy = KeyRecord::new("copy", record.digest);
    let taken = store.put_key(copy).await;
    assert!(
        matches!(taken, Err(KeyStoreError::Conflict)),
        "the digest is another key's"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_or_stands_nowhere_is_not_stored() {
    let store = Fragile::default();
    let keys = keys(&store);
    let long: Arc<str> = "x".repeat(201).into();
    let metadata = serde_json::json!({ "text": "x".repeat(9000) });
    let many = (0..101).map(|n| Arc::from(n.to_string())).collect();
    for new in [
        NewKey {
            name: long.to_string(),
            ..NewKey::default()
        },
        NewKey {
            team: Some(long),
            ..NewKey::default()
        },
        NewKey {
            team: Some("a\nb".into()),
            ..NewKey::default()
        },
        NewKey {
            team: Some("".into()),
            ..NewKey::default()
        },
        NewKey {
            tags: many,
            ..NewKey::default()
        },
        NewKey {
            metadata: metadata.as_object().unwrap().clone(),
            ..NewKey::default()
        },
        NewKey {
            parent: Some("nobody".into()),
            ..NewKey::default()
        },
        NewKey {
            expires_at: Some(1),
            ..NewKey::default()
        },
    ] {
        let case = format!("{new:.60?}");
        let refused = keys.create(new).await;
        assert!(matches!(refused, Err(KeysError::Invalid(_))), "{case}");
    }
    assert!(keys.list(Page::first(10)).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_are_listed_in_pages_and_by_what_they_belong_to() {
    let store = Fragile::default();
    let keys = keys(&store);
    for n in 0..7 {
        let team = Some(if n % 2 == 0 { "even" } else { "odd" }.into());
        keys.create(NewKey {
            team,
            ..NewKey::default()
        })
        .await
        .unwrap();
    }
    let mut all = Vec::new();
    loop {
        let after = all.last().cloned();
        let page = keys
            .list(Page {
                after,
                ..Page::first(3)
            })
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page.into_iter().map(|key| key.id));
    }

    assert_eq!(all.len(), 7);
    assert!(all.is_sorted());
    keys.delete(&all[0]).await.unwrap();
    assert_eq!(keys.list(Page::first(10)).await.unwrap().len(), 6);
    assert!(matches!(keys.get(&all[0]).await, Err(KeysError::NotFound)));
    let odd = Page {
        team: Some("odd".into()),
        ..Page::first(10)
    };
    assert!(
        keys.list(odd)
            .await
            .unwrap()
            .iter()
            .all(|key| key.team.as_deref() == Some("odd"))
    );
}

/// Lets the ring's task run; time does not pass.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
