//! Who makes a key for another never gives more than it has.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use http::HeaderValue;
use proptest::prelude::*;
use tollgate_auth::{
    Check, Credential, GroupKind, GroupRecord, KeyRecord, KeyRing, KeyStore, Keys, KeysError,
    MemoryKeys, NewKey, Pepper, RingPolicy, Verdict, Verifier,
};
use tollgate_core::fact::{Allotment, Clearance, Permissions, Principal, Terms};

fn pepper() -> Pepper {
    Pepper::new("a pepper for tests")
}

fn ask(ring: &KeyRing, key: &str) -> Option<Principal> {
    let value = HeaderValue::try_from(key).unwrap();
    match ring.verify(&Credential::new(&value).unwrap()) {
        Check::Now(Verdict::Known(principal)) => Some(principal),
        _ => None,
    }
}

fn list<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = Vec<T>> {
    prop::sample::subsequence(of, 0..=of.len())
}

fn permissions() -> impl Strategy<Value = Permissions> {
    let models = prop::option::of(list(&["gpt-*", "gpt-4o", "claude-*", "*"]));
    let routes = prop::option::of(list(&["/v1/*", "POST /v1/chat", "GET /v1/*"]));
    let networks = prop::option::of(list(&["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0"]));
    (models, routes, networks).prop_map(|(models, routes, networks)| Permissions {
        models: models.map(|list| list.into_iter().map(Into::into).collect()),
        routes: routes.map(|list| list.into_iter().map(Into::into).collect()),
        networks: networks.map(|list| list.into_iter().map(|it| it.parse().unwrap()).collect()),
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    prop_oneof![
        Just(Terms::default()),
        (1_u64..100).prop_map(|limit| serde_json::from_value(
            serde_json::json!({ "requests_per_minute": limit })
        )
        .unwrap()),
    ]
}

fn clearance() -> impl Strategy<Value = Option<Clearance>> {
    prop::option::of(prop::sample::select(&[
        Clearance::Public,
        Clearance::Internal,
        Clearance::Restricted,
    ]))
}

fn name() -> impl Strategy<Value = Option<Arc<str>>> {
    prop::option::weighted(0.3, prop::sample::select(&["x", "y"]).prop_map(Arc::from))
}

prop_compose! {
    /// A key whose parent is any of the others, itself, or nobody.
    fn key(n: usize, of: usize)(
        parent in prop::option::weighted(0.8, 0..of + 1),
        permissions in permissions(), terms in terms(), classification in clearance(),
        roles in list(&["admin", "viewer"]), tags in list(&["red", "blue"]),
        user in name(), team in name(), org in name(),
        expires_at in prop::option::of(prop::sample::select(&[500_i64, 1_500, 2_500])),
        disabled in prop::bool::weighted(0.05), deleted in prop::bool::weighted(0.05),
    ) -> KeyRecord {
        KeyRecord {
            parent: parent.map(|n| n.to_string().into()),
            permissions, terms, classification, user, team, org, expires_at, disabled, deleted,
            roles: roles.into_iter().map(Into::into).collect(),
            tags: tags.into_iter().map(Into::into).collect(),
            ..KeyRecord::new(n.to_string(), pepper().digest(&format!("tg-{n}")))
        }
    }
}

prop_compose! {
    fn group()(
        kind in prop::sample::select(&[GroupKind::Org, GroupKind::Team, GroupKind::User]), id in "[xy]", parent in name(),
        permissions in permissions(), terms in terms(), classification in clearance(),
        disabled in prop::bool::weighted(0.1),
    ) -> GroupRecord {
        GroupRecord { parent, permissions, terms, classification, disabled, ..GroupRecord::new(kind, id) }
    }
}

fn keys(of: usize) -> impl Strategy<Value = Vec<KeyRecord>> {
    (0..of).map(|n| key(n, of)).collect::<Vec<_>>()
}

/// What a caller may do, at some points of all that could be asked.
fn powers(who: &Principal) -> HashSet<String> {
    let models = ["gpt-4o", "gpt-5", "claude-x", "other"];
    let models = models
        .into_iter()
        .filter(|model| who.may_call(model))
        .map(|it| format!("model {it}"));
    let routes = [
        ("GET", "/v1/models"),
        ("POST", "/v1/chat"),
        ("GET", "/admin"),
        ("POST", "/v1/files"),
    ];
    let routes = routes
        .into_iter()
        .filter(|(method, path)| who.may_use(method, path));
    let routes = routes.map(|(method, path)| format!("{method} {path}"));
    let addresses = [
        "10.1.2.3",
        "10.2.3.4",
        "192.0.2.1",
        "2001:db8::1",
        "::ffff:10.1.1.1",
    ];
    let addresses = addresses
        .into_iter()
        .filter(|it| who.may_come_from(it.parse::<IpAddr>().unwrap()));
    let roles = who.roles().iter().map(|role| format!("role {role}"));
    let places = [
        Clearance::Public,
        Clearance::Internal,
        Clearance::Confidential,
        Clearance::Restricted,
    ];
    let places = places
        .into_iter()
        .filter(|place| who.clearance().is_none_or(|data| data <= *place));
    let places = places.map(|place| format!("{place:?}"));
    models
        .chain(routes)
        .chain(addresses.map(Into::into))
        .chain(roles)
        .chain(places)
        .collect()
}

static NOW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_child_never_has_more_than_its_parent(
        first in keys(6), then in keys(6), groups in prop::collection::vec(group(), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = MemoryKeys::new();
            let clock = || NOW.load(std::sync::atomic::Ordering::SeqCst);
            let ring = KeyRing::watch(store.clone(), pepper(), RingPolicy::new().clock(clock));
            let mut last = 0;
            let (early, late) = groups.split_at(groups.len() / 2);
            for (records, groups) in [(first, early), (then, late)] {
                for mut group in groups.iter().cloned() {
                    let known = store.group(group.kind, &group.id).await.unwrap();
                    group.version = known.map_or(0, |known| known.version);
                    last = store.put_group(group).await.unwrap();
                }
                for mut record in records {
                    let known = store.key(&record.id).await.unwrap();
                    record.version = known.map_or(0, |known| known.version);
                    last = store.put_key(record).await.unwrap();
                }
                ring.reached(last).await; // the first half as a whole, the second one as changes
            }
            let anew = KeyRing::watch(store.clone(), pepper(), RingPolicy::new().clock(clock));
            anew.reached(last).await;

            for now in [0, 1_000, 2_000, 3_000] {
                NOW.store(now, std::sync::atomic::Ordering::SeqCst);
                for n in 0..6 {
                    let key = format!("tg-{n}");
                    let child = ask(&ring, &key);
                    prop_assert_eq!(&child, &ask(&anew, &key), "changes add up to the whole");
                    let Some(child) = child else { continue };
                    let record = store.key(&n.to_string()).await.unwrap().unwrap();
                    let Some(parent) = record.parent else { continue };
                    let parent = ask(&ring, &format!("tg-{parent}"));
                    prop_assert!(parent.is_some(), "{child:?} is let in, and its parent is not");
                    let parent = parent.unwrap();
                    prop_assert!(powers(&child).is_subset(&powers(&parent)), "{child:?} of {parent:?}");
                    let pays = |it: &Allotment| child.allotments().contains(it);
                    prop_assert!(parent.allotments().iter().all(pays));
                    prop_assert!(parent.tags().iter().all(|tag| child.tags().contains(tag)));
                    prop_assert!(parent.user().is_none() || parent.user() == child.user());
                    prop_assert!(parent.team().is_none() || parent.team() == child.team());
                    prop_assert!(parent.org().is_none() || parent.org() == child.org());
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_a_key_makes_children_of_it_only() {
    let store = MemoryKeys::new();
    let keys = Keys::new(store.clone(), pepper());
    let new = NewKey {
        team: Some("search".into()),
        roles: vec!["viewer".into()],
        expires_at: Some(i64::MAX - 1),
        ..NewKey::default()
    };
    let (own, text) = keys.create(new).await.unwrap();
    let (other, _) = keys.create(NewKey::default()).await.unwrap();
    let ring = KeyRing::watch(store, pepper(), RingPolicy::new());
    ring.reached(other.version).await;
    let maker = ask(&ring, secrecy::ExposeSecret::expose_secret(&text)).unwrap();

    for refused in [
        NewKey {
            parent: Some(other.id.clone()),
            ..NewKey::default()
        },
        NewKey {
            roles: vec!["admin".into()],
            ..NewKey::default()
        },
        NewKey {
            team: Some("sales".into()),
            ..NewKey::default()
        },
        NewKey {
            org: Some("acme".into()),
            ..NewKey::default()
        },
        NewKey {
            user: Some("root".into()),
            ..NewKey::default()
        },
        NewKey {
            expires_at: Some(i64::MAX),
            ..NewKey::default()
        },
    ] {
        let case = format!("{refused:?}");
        let result = keys.create_as(&maker, refused).await;
        assert!(
            matches!(result, Err(KeysError::Refused(_))),
            "{case}: {result:?}"
        );
    }
    let (child, _) = keys.create_as(&maker, NewKey::default()).await.unwrap();
    assert_eq!(child.parent, Some(own.id.clone()));
    assert_eq!(child.team.as_deref(), Some("search"));
    assert_eq!(child.expires_at, own.expires_at);
    assert!(keys.is_below(&maker, &child.id).await.unwrap());
    assert!(!keys.is_below(&maker, &own.id).await.unwrap());
    assert!(!keys.is_below(&maker, &other.id).await.unwrap());
    let pretender = Principal::new(&*own.id).with_roles(["admin"]);
    let result = keys.create_as(&pretender, NewKey::default()).await;
    assert!(
        matches!(result, Err(KeysError::Refused(_))),
        "a token that says it is a key: {result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_no_key_makes_keys_of_its_own_team_only_with_its_tags() {
    let keys = Keys::new(MemoryKeys::new(), pepper());
    let maker = Principal::new("a-token")
        .with_user("ann")
        .with_team("search")
        .with_tags(["prod", "eu"])
        .with_clearance(Clearance::Internal);

    let foreign = NewKey {
        team: Some("sales".into()),
        ..NewKey::default()
    };
    assert!(matches!(
        keys.create_as(&maker, foreign).await,
        Err(KeysError::Refused(_))
    ));
    let bound = maker.clone().with_models(["gpt-*"]);
    assert!(matches!(
        keys.create_as(&bound, NewKey::default()).await,
        Err(KeysError::Refused(_))
    ));
    let nobody = Principal::new("a-token");
    assert!(matches!(
        keys.create_as(&nobody, NewKey::default()).await,
        Err(KeysError::Refused(_))
    ));
    let own = NewKey {
        tags: vec!["beta".into(), "eu".into()],
        ..NewKey::default()
    };
    let (key, _) = keys.create_as(&maker, own).await.unwrap();

    assert_eq!(
        key.tags,
        ["beta", "eu", "prod"].map(std::sync::Arc::<str>::from),
        "tags have limits, which it cannot leave"
    );
    assert_eq!(
        (key.user.as_deref(), key.team.as_deref()),
        (Some("ann"), Some("search"))
    );
    assert_eq!(key.classification, Some(Clearance::Internal));
}
