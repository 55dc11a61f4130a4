//! Organisations, teams and users of a store bind whoever names them, whatever the credential was.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tollgate_auth::{
    AuthLayer, Check, Credential, GroupKind, GroupRecord, KeyRecord, KeyRing, KeyStore, Keys,
    KeysError, MemoryKeys, NewKey, Pepper, RingPolicy, Verdict, Verifier, verify_fn,
};
use tollgate_core::fact::{Certificate, Clearance, Peer, Principal, Scope};
use tower::{Layer, ServiceExt, service_fn};

fn pepper() -> Pepper {
    Pepper::new("a pepper for tests")
}

fn watch(store: &MemoryKeys) -> KeyRing {
    KeyRing::watch(store.clone(), pepper(), RingPolicy::new())
}

fn credential(text: &str) -> Credential<'static> {
    let value = HeaderValue::try_from(text).unwrap();
    Credential::new(&value).unwrap().into_owned()
}

fn known(verdict: Verdict) -> Option<Principal> {
    match verdict {
        Verdict::Known(principal) => Some(principal),
        Verdict::Unknown => None,
        Verdict::Refused(rejection) => panic!("refused: {rejection:?}"),
    }
}

fn ask(verifier: &impl Verifier, key: &str) -> Option<Principal> {
    match verifier.verify(&credential(key)) {
        Check::Now(verdict) => known(verdict),
        Check::Later(_) => panic!("it decides at once"),
    }
}

/// Believes `team:org`, as an issuer's tokens might say.
fn of_team_and_org() -> impl Verifier + Clone {
    verify_fn(|credential: &Credential<'_>| {
        let (team, org) = credential.secret().split_once(':')?;
        let principal = Principal::new("a-token").with_team(team);
        Some(match org {
            "" => principal,
            org => principal.with_org(org),
        })
    })
}

async fn put(keys: &Keys, ring: &KeyRing, group: GroupRecord) -> GroupRecord {
    let group = keys.put_group(group).await.unwrap();
    ring.reached(group.version).await;
    group
}

#[tokio::test]
async fn whoever_names_a_team_may_do_and_use_what_the_team_may() {
    let store = MemoryKeys::new();
    let (keys, ring) = (Keys::new(store.clone(), pepper()), watch(&store));
    let verifier = of_team_and_org().within(ring.clone());
    let mut team = GroupRecord::new(GroupKind::Team, "search");
    team.permissions.models = Some(vec!["gpt-*".into()]);
    team.terms = serde_json::from_str(r#"{"requests_per_minute":10}"#).unwrap();
    team.classification = Some(Clearance::Confidential);
    let mut team = put(&keys, &ring, team).await;

    let member = ask(&verifier, "search:").unwrap();
    let other = ask(&verifier, "sales:").unwrap();
    team.disabled = true;
    put(&keys, &ring, team).await;

    assert!(member.may_call("gpt-4o") && !member.may_call("claude"));
    let allotment = &member.allotments()[0];
    assert_eq!(
        (allotment.scope, &*allotment.account),
        (Scope::Team, "search")
    );
    assert_eq!(member.clearance(), Some(Clearance::Confidential));
    assert_eq!(other, Principal::new("a-token").with_team("sales"));
    assert_eq!(ask(&verifier, "search:"), None, "the team is disabled");
    assert!(ask(&verifier, "sales:").is_some());
}

#[tokio::test]
async fn a_team_belongs_to_one_organisation_whatever_its_members_say() {
    let store = MemoryKeys::new();
    let (keys, ring) = (Keys::new(store.clone(), pepper()), watch(&store));
    let verifier = of_team_and_org().within(ring.clone());
    let mut org = GroupRecord::new(GroupKind::Org, "acme");
    org.terms = serde_json::from_str(r#"{"concurrency":3}"#).unwrap();
    let mut org = put(&keys, &ring, org).await;
    let mut team = GroupRecord::new(GroupKind::Team, "search");
    team.parent = Some("acme".into());
    put(&keys, &ring, team).await;

    let member = ask(&verifier, "search:").unwrap();

    assert_eq!(member.tenant(), "acme");
    assert_eq!(member.allotments()[0].scope, Scope::Org);
    assert_eq!(ask(&verifier, "search:acme"), Some(member));
    assert_eq!(ask(&verifier, "search:umbrella"), None);
    org.deleted = true;
    put(&keys, &ring, org).await;
    assert_eq!(ask(&verifier, "search:"), None);
}

#[tokio::test]
async fn a_later_verdict_is_bound_as_one_at_once() {
    /// Knows everybody, after a while.
    struct Slow;

    impl Verifier for Slow {
        type Later = Pin<Box<dyn Future<Output = Verdict> + Send>>;

        fn verify(&self, _: &Credential<'_>) -> Check<Self::Later> {
            Check::Later(Box::pin(async {
                tokio::task::yield_now().await;
                Verdict::Known(Principal::new("a-token").with_team("search"))
            }))
        }
    }

    let store = MemoryKeys::new();
    let (keys, ring) = (Keys::new(store.clone(), pepper()), watch(&store));
    let verifier = Slow.within(ring.clone());
    let mut team = GroupRecord::new(GroupKind::Team, "search");
    team.permissions.models = Some(Vec::new());
    let mut team = put(&keys, &ring, team).await;
    let later = async || match verifier.verify(&credential("any")) {
        Check::Later(later) => known(later.await),
        Check::Now(_) => panic!("it takes its time"),
    };

    assert!(!later().await.unwrap().may_call("gpt-4o"));
    team.disabled = true;
    put(&keys, &ring, team).await;
    assert_eq!(later().await, None);
}

#[tokio::test]
async fn the_holder_of_a_certificate_is_bound_where_the_closure_asks_the_ring() {
    let store = MemoryKeys::new();
    let (keys, ring) = (Keys::new(store.clone(), pepper()), watch(&store));
    let mut user = GroupRecord::new(GroupKind::User, "billing");
    user.parent = Some("search".into());
    let mut user = put(&keys, &ring, user).await;
    let of_ring = ring.clone();
    let layer = AuthLayer::new(ring.clone())
        .certificates(move |_| of_ring.bind(Principal::new("c").with_user("billing")));
    let answer = async || {
        let service = service_fn(async |request: Request<Empty<Bytes>>| {
            let who = request.extensions().get::<Principal>().unwrap();
            assert_eq!(who.team(), Some("search"));
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let peer = Peer {
            certificate: Some(Certificate(Arc::from([0_u8; 1]))),
            ..Peer::new(([127, 0, 0, 1], 80).into())
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(peer);
        layer.layer(service).oneshot(request).await.unwrap()
    };

    assert_eq!(answer().await.status(), StatusCode::OK);
    user.disabled = true;
    put(&keys, &ring, user).await;
    assert_eq!(answer().await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_is_bound_by_its_groups_alone_makes_keys_that_are_bound_by_them() {
    let store = MemoryKeys::new();
    let (keys, ring) = (Keys::new(store.clone(), pepper()), watch(&store));
    let mut team = GroupRecord::new(GroupKind::Team, "search");
    team.permissions.models = Some(vec!["gpt-*".into()]);
    team.parent = Some("acme".into());
    put(&keys, &ring, team).await;
    let maker = Principal::new("a-token").with_team("search");
    let maker = known(ring.bind(maker)).unwrap();

    let more = maker.clone().with_models(["gpt-4o"]);
    let refused = keys.create_as(&more, NewKey::default()).await;
    let (record, key) = keys.create_as(&maker, NewKey::default()).await.unwrap();
    ring.reached(record.version).await;
    let holder = ask(&ring, key.expose_secret()).unwrap();

    assert!(matches!(refused, Err(KeysError::Refused(_))), "{refused:?}");
    assert_eq!(
        (holder.team(), holder.org()),
        (Some("search"), Some("acme"))
    );
    assert!(!holder.may_call("claude"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whoever_names_groups_is_bound_as_a_key_is_and_only_once(
        groups in prop::collection::vec(group(), 0..10), user in name(), team in name(), org in name(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = MemoryKeys::new();
            let ring = watch(&store);
            for mut group in groups {
                let known = store.group(group.kind, &group.id).await.unwrap();
                group.version = known.map_or(0, |known| known.version);
                ring.reached(store.put_group(group).await.unwrap()).await;
            }
            let mut named = Principal::new("key");
            for (kind, id) in [(GroupKind::User, &user), (GroupKind::Team, &team), (GroupKind::Org, &org)] {
                let Some(id) = id.clone() else { continue };
                named = match kind {
                    GroupKind::User => named.with_user(id),
                    GroupKind::Team => named.with_team(id),
                    GroupKind::Org => named.with_org(id),
                };
            }
            let record = KeyRecord { user, team, org, ..KeyRecord::new("key", pepper().digest("tg-key")) };
            ring.reached(store.put_key(record).await.unwrap()).await;

            let bound = known(ring.bind(named));

            prop_assert_eq!(&bound, &ask(&ring, "tg-key"));
            if let Some(bound) = bound {
                prop_assert_eq!(known(ring.bind(bound.clone())), Some(bound));
            }
            Ok(())
        })?;
    }
}

fn name() -> impl Strategy<Value = Option<Arc<str>>> {
    prop::option::weighted(0.6, prop::sample::select(&["x", "y"]).prop_map(Arc::from))
}

prop_compose! {
    fn group()(
        kind in prop::sample::select(&[GroupKind::Org, GroupKind::Team, GroupKind::User]), id in "[xy]", parent in name(),
        models in prop::option::of(prop::sample::select(&["a*", "b*"])), slots in prop::option::of(1_u32..3),
        classification in prop::option::of(prop::sample::select(&[Clearance::Public, Clearance::Restricted])),
        disabled in prop::bool::weighted(0.1), deleted in prop::bool::weighted(0.1),
    ) -> GroupRecord {
        let mut group = GroupRecord { parent, classification, disabled, deleted, ..GroupRecord::new(kind, id) };
        group.permissions.models = models.map(|models| vec![models.into()]);
        group.terms.concurrency = slots.and_then(std::num::NonZeroU32::new);
        group
    }
}
