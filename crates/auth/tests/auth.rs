//! Who is let in, and what the others are told.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::Request, routing::any};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use tollgate_auth::{
    ApiKeys, AuthLayer, Check, Credential, KeyDigest, Verdict, Verifier, verify_fn,
};
use tollgate_core::{
    Rejection, Trail,
    fact::Principal,
    testing::{Contract, Script},
};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

const KEY: &str = "tg-canary-5d0b";
const BEARER: &str = "Bearer tg-canary-5d0b";

fn keys() -> ApiKeys {
    ApiKeys::new().with_key(KEY, Principal::new("alice"))
}

fn request(headers: &[(&'static str, &str)]) -> Request {
    let mut request = Request::new(Body::empty());
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

/// What the layer answers, and whether the service was called.
async fn ask<V>(layer: AuthLayer<V>, request: Request) -> (Response<Body>, Option<Request>)
where
    V: Verifier + Send + Sync + 'static,
    V::Later: Send,
{
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = layer.layer(service_fn(move |request: Request| {
        let _ = sent.send(request);
        ready(Ok::<_, std::convert::Infallible>(Response::new(
            Body::empty(),
        )))
    }));
    let response = service.oneshot(request).await.unwrap().map(Body::new);
    (response, seen.try_recv().ok())
}

fn code(response: &Response<Body>) -> &str {
    let rejection = response.extensions().get::<Rejection>();
    rejection.map_or("none", Rejection::code)
}

#[tokio::test]
async fn a_known_key_is_let_in_and_its_holder_named() {
    for headers in [
        [("authorization", BEARER)],
        [("authorization", "bearer tg-canary-5d0b")],
        [("authorization", "BEARER   tg-canary-5d0b")],
        [("x-api-key", KEY)],
    ] {
        let (response, seen) = ask(AuthLayer::new(keys()), request(&headers)).await;

        assert_eq!(response.status(), StatusCode::OK);
        let (mut parts, _) = seen.unwrap().into_parts();
        let alice = Some(Principal::new("alice"));
        assert_eq!(parts.extensions.get::<Principal>(), alice.as_ref());
        assert_eq!(Trail::of(&mut parts).get::<Principal>(), alice);
    }
}

#[tokio::test]
async fn each_way_to_be_refused_has_its_status_code_and_challenge() {
    let long = "x".repeat(17 << 10);
    let bare = r#"Bearer realm="tollgate""#;
    let wrong = r#"Bearer realm="tollgate", error="invalid_token""#;
    let unclear = r#"Bearer realm="tollgate", error="invalid_request""#;
    let auth = "authorization";
    let cases: &[(&[(&'static str, &str)], u16, &str, &str)] = &[
        (&[], 401, "missing_credentials", bare),
        (&[(auth, "Basic dTpw")], 401, "missing_credentials", bare),
        (&[(auth, KEY)], 401, "missing_credentials", bare),
        (&[("api-key", KEY)], 401, "missing_credentials", bare),
        (&[(auth, "Bearer guess")], 401, "invalid_api_key", wrong),
        (&[("x-api-key", "guess")], 401, "invalid_api_key", wrong),
        (&[(auth, "")], 400, "invalid_credentials", unclear),
        (&[(auth, "Bearer")], 400, "invalid_credentials", unclear),
        (&[(auth, "Bearer ")], 400, "invalid_credentials", unclear),
        (&[(auth, "Bearer a b")], 400, "invalid_credentials", unclear),
        (
            &[(auth, "Bearer caf\u{e9}")],
            400,
            "invalid_credentials",
            unclear,
        ),
        (&[("x-api-key", "")], 400, "invalid_credentials", unclear),
        (&[("x-api-key", &long)], 400, "invalid_credentials", unclear),
        (
            &[(auth, BEARER), (auth, BEARER)],
            400,
            "invalid_credentials",
            unclear,
        ),
        (
            &[("x-api-key", KEY), ("x-api-key", KEY)],
            400,
            "invalid_credentials",
            unclear,
        ),
        (
            &[(auth, BEARER), ("x-api-key", KEY)],
            400,
            "invalid_credentials",
            unclear,
        ),
        (
            &[(auth, "Basic dTpw"), ("x-api-key", KEY)],
            400,
            "invalid_credentials",
            unclear,
        ),
    ];
    for (headers, status, expected, challenge) in cases {
        let (response, seen) = ask(AuthLayer::new(keys()), request(headers)).await;

        let case = format!("{headers:.60?}");
        assert_eq!(response.status(), *status, "{case}");
        assert_eq!(code(&response), *expected, "{case}");
        assert_eq!(response.headers()["www-authenticate"], *challenge, "{case}");
        assert!(seen.is_none(), "{case}: the service was called");
    }
}

#[tokio::test]
async fn all_wrong_keys_get_identical_answers() {
    let mut answers = Vec::new();
    for wrong in [
        "a",
        "tg-canary-5d0a",
        "tg-canary-5d0b0",
        "tg-canary-5d0",
        "TG-CANARY-5D0B",
    ] {
        let request = request(&[("x-api-key", wrong)]);
        let (response, _) = ask(AuthLayer::new(keys()), request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        answers.push((head.status, head.headers, body));
    }

    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn the_headers_and_the_realm_can_be_chosen() {
    let layer = AuthLayer::new(keys())
        .headers([
            HeaderName::from_static("x-goog-api-key"),
            HeaderName::from_static("x-goog-api-key"),
            http::header::AUTHORIZATION,
        ])
        .realm("the \"lab\"");
    let (response, _) = ask(layer.clone(), request(&[("x-goog-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::OK);
    let (response, _) = ask(layer.clone(), request(&[("authorization", BEARER)])).await;
    assert_eq!(response.status(), StatusCode::OK);

    let (response, _) = ask(layer, request(&[("x-api-key", KEY)])).await;

    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="the \"lab\"""#
    );
}

#[tokio::test]
async fn only_who_sends_nothing_is_anonymous() {
    let layer = AuthLayer::new(keys()).anonymous(Principal::new("guest"));

    let (_, seen) = ask(layer.clone(), request(&[])).await;
    let principal = seen.unwrap().extensions().get::<Principal>().cloned();
    assert_eq!(principal, Some(Principal::new("guest")));
    for wrong in ["Basic dTpw", "Bearer guess", "Bearer", "nonsense"] {
        let (_, seen) = ask(layer.clone(), request(&[("authorization", wrong)])).await;
        assert!(seen.is_none(), "{wrong} was let in");
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_not_looked_for() {
    let mut request = request(&[]);
    *request.uri_mut() = format!("/?key={KEY}&access_token={KEY}").parse().unwrap();

    let (response, _) = ask(AuthLayer::new(keys()), request).await;

    assert_eq!(code(&response), "missing_credentials");
}

#[tokio::test]
async fn headers_of_our_own_are_removed_and_others_stay() {
    let request = request(&[
        ("authorization", BEARER),
        ("x-tollgate-tenant", "acme"),
        ("x-tollgate-tenant", "other"),
        ("x-tollgate-code", "x"),
        ("x-request-id", "7"),
    ]);

    let (_, seen) = ask(AuthLayer::new(keys()), request).await;

    let seen = seen.unwrap();
    let mut names: Vec<_> = seen.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "x-request-id"]);
}

#[tokio::test]
async fn a_secret_never_shows_in_debug_or_answers() {
    let pepper = "canary-pepper";
    let keys = ApiKeys::peppered(pepper).with_key(KEY, Principal::new("alice"));
    let layer = AuthLayer::new(keys.clone());
    let value = HeaderValue::from_static(KEY);
    let credential = Credential::new(&value).unwrap();
    let digest = keys.digest(KEY);
    let mut shown = format!("{keys:?} {layer:?} {credential:?} {digest:?}");
    shown += &format!("{:?}", keys.verify(&credential));
    shown += &format!("{:?}", layer.layer(()));
    for (header, value) in [("authorization", BEARER), ("x-api-key", KEY)] {
        let (_, seen) = ask(layer.clone(), request(&[(header, value)])).await;
        shown += &format!("{:?}", seen.unwrap());
    }
    for layer in [AuthLayer::new(ApiKeys::new()), layer] {
        let twice = request(&[("authorization", BEARER), ("x-api-key", KEY)]);
        for request in [request(&[("x-api-key", KEY)]), twice] {
            let (response, _) = ask(layer.clone(), request).await;
            shown += &format!("{response:?}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            shown += &String::from_utf8_lossy(&body);
        }
    }

    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains(&digest.to_string()), "{shown}");
}

#[test]
fn a_key_given_by_its_digest_is_as_good_as_the_key() {
    for empty in [ApiKeys::new(), ApiKeys::peppered("salt of the earth")] {
        let stored = empty.digest(KEY).to_string();
        let digest: KeyDigest = stored.parse().unwrap();
        let keys = empty.with_digest(digest, Principal::new("alice"));
        let value = HeaderValue::from_static(KEY);

        let check = keys.verify(&Credential::new(&value).unwrap());

        assert!(matches!(check, Check::Now(Verdict::Known(alice)) if alice.key() == "alice"));
    }
    assert!("abc".parse::<KeyDigest>().is_err());
    assert!("g".repeat(64).parse::<KeyDigest>().is_err());
}

#[test]
fn a_peppered_digest_is_hmac_sha_256() {
    // RFC 4231, test case 2.
    let digest = ApiKeys::peppered("Jefe").digest("what do ya want for nothing?");

    assert_eq!(
        digest.to_string(),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn a_set_of_keys_that_is_added_to_leaves_its_clones_alone() {
    let before = keys();
    let after = before.clone().with_key("tg-another", Principal::new("bob"));

    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(!before.is_empty());
}

/// Knows tokens that begin with `jwt-`, after a while; refuses those that are expired.
#[derive(Clone, Default)]
struct Tokens(Arc<AtomicUsize>);

impl Verifier for Tokens {
    type Later = Pin<Box<dyn Future<Output = Verdict> + Send>>;

    fn verify(&self, credential: &Credential<'_>) -> Check<Self::Later> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let token = credential.secret().to_owned();
        Check::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            match token.strip_prefix("jwt-") {
                None => Verdict::Unknown,
                Some("expired") => Verdict::Refused(Rejection::new(
                    StatusCode::UNAUTHORIZED,
                    "token_expired",
                    "the token has expired",
                )),
                Some(user) => Verdict::Known(Principal::new("jwt").with_user(user)),
            }
        }))
    }
}

#[tokio::test]
async fn of_several_verifiers_the_next_is_asked_about_what_one_does_not_know() {
    let demo =
        || verify_fn(|credential| (credential.secret() == "demo").then(|| Principal::new("demo")));
    for order in ["keys first", "tokens first"] {
        for (secret, expected) in [
            (KEY, "alice"),
            ("jwt-bob", "jwt"),
            ("demo", "demo"),
            ("jwt-expired", "token_expired"),
            ("guess", "invalid_api_key"),
        ] {
            let request = request(&[("x-api-key", secret)]);
            let (response, seen) = match order {
                "keys first" => {
                    let verifier = keys().or(Tokens::default()).or(demo());
                    ask(AuthLayer::new(verifier), request).await
                }
                _ => {
                    let verifier = Tokens::default().or(Arc::new(demo())).or(keys());
                    ask(AuthLayer::new(verifier), request).await
                }
            };

            let principal = seen.and_then(|seen| seen.extensions().get::<Principal>().cloned());
            let found = principal.as_ref().map_or(code(&response), Principal::key);
            assert_eq!(found, expected, "{secret}, {order}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_known_at_once_asks_nobody_else() {
    let tokens = Tokens::default();

    let layer = AuthLayer::new(keys().or(tokens.clone()));
    ask(layer, request(&[("x-api-key", KEY)])).await;

    assert_eq!(tokens.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_panic_in_a_verifier_costs_one_request() {
    let verifier = verify_fn(|credential| match credential.secret() {
        "boom" => panic!("a scripted panic"),
        secret => Some(Principal::new(secret)),
    });
    let layer = AuthLayer::new(verifier);

    let task = tokio::spawn(ask(layer.clone(), request(&[("x-api-key", "boom")])));
    assert!(task.await.unwrap_err().is_panic());
    let (response, _) = ask(layer, request(&[("x-api-key", "fine")])).await;

    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn it_fits_a_router_as_it_is() {
    let hello = any(async |headers: HeaderMap| headers.len().to_string());
    let app: Router = Router::new()
        .route("/", hello)
        .layer(AuthLayer::new(keys().or(Tokens::default())));

    for (key, status) in [(KEY, StatusCode::OK), ("guess", StatusCode::UNAUTHORIZED)] {
        let response = app.clone().oneshot(request(&[("x-api-key", key)])).await;
        assert_eq!(response.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_grpc_caller_is_refused_in_its_own_words() {
    let request = request(&[("content-type", "application/grpc"), ("x-api-key", "guess")]);

    let (response, _) = ask(AuthLayer::new(keys()), request).await;

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "16");
}

proptest::proptest! {
    #[test]
    fn no_headers_whatever_make_it_panic_or_let_a_stranger_in(
        headers in proptest::collection::vec((0..4_usize, "(Bearer |bearer|Basic )?[\\x20-\\x7e\u{80}-\u{ff}]{0,20}"), 0..4)
    ) {
        let names = ["authorization", "x-api-key", "api-key", "x-tollgate-user"];
        let headers: Vec<_> = headers.iter().map(|(n, value)| (names[*n], value.as_str())).collect();
        let request = request(&headers);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let (response, seen) = runtime.block_on(ask(AuthLayer::new(keys()), request));

        proptest::prop_assert!(matches!(response.status().as_u16(), 400 | 401));
        proptest::prop_assert!(seen.is_none());
    }
}

#[test]
fn it_keeps_the_contract() {
    fn check<V: Verifier>(verifier: impl Fn() -> V) {
        Contract::new(|inner| AuthLayer::new(verifier()).layer(inner))
            .request(|| {
                let mut request = http::Request::new(Script::empty());
                let key = HeaderValue::from_static(KEY);
                request.headers_mut().insert("x-api-key", key);
                request
            })
            .refused(|request| {
                request.headers_mut().clear();
            })
            .check();
        Contract::new(|inner| {
            let layer = AuthLayer::new(verifier()).anonymous(Principal::new("guest"));
            layer.layer(inner)
        })
        .refused(|request| {
            let guess = HeaderValue::from_static("guess");
            request.headers_mut().insert("x-api-key", guess);
        })
        .check();
    }

    check(keys);
    check(|| Later.or(keys()));
}

/// Knows nothing, but not at once.
struct Later;

impl Verifier for Later {
    type Later = Ready<Verdict>;

    fn verify(&self, _: &Credential<'_>) -> Check<Self::Later> {
        Check::Later(ready(Verdict::Unknown))
    }
}
