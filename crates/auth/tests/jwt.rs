//! Which tokens are believed, and what they make of a caller.

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/signer.rs"]
mod signer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use axum::body::{Body, to_bytes};
use http::{HeaderValue, Request, Response, StatusCode};
use jsonwebtoken::Algorithm as Signature;
use serde_json::{Value, json};
use tollgate_auth::{
    Algorithm, ApiKeys, AuthLayer, Check, Credential, InvalidIssuer, Issuer, Jwt, Verdict, Verifier,
};
use tollgate_core::fact::Principal;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use self::signer::{
    AUDIENCE, ED25519, ISSUER, Object, P256, P384, RSA, encode, header, jwks, now, token,
};

/// The keys `ec`, `rsa` and `ed`.
fn keys() -> String {
    jwks(&[
        P256.jwk(json!({"kid": "ec", "alg": "ES256", "use": "sig"})),
        RSA.jwk(json!({"kid": "rsa", "alg": "RS256"})),
        ED25519.jwk(json!({"kid": "ed"})),
    ])
}

fn issuer() -> Issuer {
    Issuer::new(ISSUER, [AUDIENCE])
        .keys(keys())
        .named("corp")
        .algorithms([Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa])
}

/// Another issuer, whose key is called `other`.
fn other() -> Issuer {
    Issuer::new("https://other.example", [AUDIENCE])
        .keys(jwks(&[P384.jwk(json!({"kid": "other"}))]))
        .algorithms([Algorithm::Es384])
}

fn jwt() -> Jwt {
    Jwt::new([issuer(), other()]).unwrap()
}

fn verdict(jwt: &Jwt, token: &str) -> Verdict {
    let Ok(value) = HeaderValue::from_bytes(token.as_bytes()) else {
        return Verdict::Unknown; // never comes through HTTP
    };
    let Some(credential) = Credential::new(&value) else {
        return Verdict::Unknown; // nor through the layer
    };
    match jwt.verify(&credential) {
        Check::Now(verdict) => verdict,
        Check::Later(_) => panic!("the keys are there"),
    }
}

fn known(jwt: &Jwt, token: &str) -> Option<Principal> {
    match verdict(jwt, token) {
        Verdict::Known(principal) => Some(principal),
        _ => None,
    }
}

async fn ask(jwt: Jwt, token: &str) -> Response<Body> {
    let service = AuthLayer::new(jwt).layer(service_fn(async |_: Request<Body>| {
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    }));
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
    let request = Request::get("/").header("authorization", value);
    let request = request.body(Body::empty()).unwrap();
    service.oneshot(request).await.unwrap().map(Body::new)
}

#[test]
fn a_good_token_is_believed_and_its_caller_named() {
    let good = token(&header(), &Object::claims());

    let principal = known(&jwt(), &good).unwrap();

    assert_eq!(principal, Principal::new("corp:alice"));
}

#[test]
fn every_algorithm_verifies_what_it_has_signed() {
    let all = [
        ("RS256", Signature::RS256, Algorithm::Rs256, &*RSA),
        ("RS384", Signature::RS384, Algorithm::Rs384, &RSA),
        ("RS512", Signature::RS512, Algorithm::Rs512, &RSA),
        ("PS256", Signature::PS256, Algorithm::Ps256, &RSA),
        ("PS384", Signature::PS384, Algorithm::Ps384, &RSA),
        ("PS512", Signature::PS512, Algorithm::Ps512, &RSA),
        ("ES256", Signature::ES256, Algorithm::Es256, &P256),
        ("ES384", Signature::ES384, Algorithm::Es384, &P384),
        ("EdDSA", Signature::EdDSA, Algorithm::EdDsa, &ED25519),
    ];
    for (name, signature, algorithm, signer) in all {
        for members in [json!({"kid": "key", "alg": name}), json!({"kid": "key"})] {
            let jwk = signer.jwk(members);
            let issuer = Issuer::new(ISSUER, [AUDIENCE]).keys(jwks(&[jwk]));
            let jwt = Jwt::new([issuer.algorithms([algorithm])]).unwrap();
            let header = Object::header(name, "key").text();
            let good = signer.token(signature, &header, &Object::claims().text());

            assert!(known(&jwt, &good).is_some(), "{name}");
            assert!(known(&jwt, &format!("{good}A")).is_none(), "{name}");
        }
    }
}

#[test]
fn what_a_token_may_vary_in_is_no_fault() {
    let later = (now() + 20).to_string();
    let fresh = |name, value: &str| Object::claims().set(name, value);
    for (name, token) in [
        (
            "aud is a list",
            token(&header(), &fresh("aud", "[\"other\",\"llm\"]")),
        ),
        ("clocks apart", token(&header(), &fresh("nbf", &later))),
        ("no iat", token(&header(), &Object::claims().without("iat"))),
        ("no typ", token(&header().without("typ"), &Object::claims())),
        (
            "an access token",
            token(&header().set("typ", "\"at+JWT\""), &Object::claims()),
        ),
        (
            "a media type",
            token(
                &header().set("typ", "\"application/at+jwt\""),
                &Object::claims(),
            ),
        ),
        (
            "a thumbprint",
            token(&header().with("x5t", "\"abc\""), &Object::claims()),
        ),
        (
            "no kid, but one key",
            token(&header().without("kid"), &Object::claims()),
        ),
        (
            "blanks in JSON",
            P256.token(
                Signature::ES256,
                &header().text().replace(',', " ,\n"),
                &Object::claims().text(),
            ),
        ),
    ] {
        assert!(known(&jwt(), &token).is_some(), "{name}");
    }
}

#[test]
fn every_hostile_token_is_refused() {
    let jwt = jwt();
    let good = token(&header(), &Object::claims());
    assert!(known(&jwt, &good).is_some()); // and is now remembered

    let hostile = hostile::all();

    assert!(hostile.len() >= 120, "{}", hostile.len());
    let twice = hostile.iter().chain(&hostile);
    let believed = twice.filter(|(_, token)| !matches!(verdict(&jwt, token), Verdict::Unknown));
    let believed: Vec<_> = believed.map(|(name, _)| name).collect();
    assert!(believed.is_empty(), "{believed:#?}");
}

#[tokio::test]
async fn every_wrong_token_gets_the_same_answer() {
    let mut answers = Vec::new();
    for (name, token) in hostile::all() {
        // What is no credential at all is told so.
        let is_credential = (1..=16 << 10).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_credential {
            continue;
        }
        let response = ask(jwt(), &token).await;

        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 4096).await.unwrap();
        answers.push((name, (parts.status, format!("{:?}", parts.headers), body)));
    }

    let (_, first) = &answers[0];
    assert_eq!(first.0, StatusCode::UNAUTHORIZED);
    for (name, answer) in &answers {
        assert_eq!(answer, first, "{name}");
    }
}

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    let jwt = jwt();
    let good = token(&header(), &Object::claims());
    assert!(known(&jwt, &good).is_some());

    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(value) = HeaderValue::from_bytes(&bytes) else {
                continue;
            };
            let Some(credential) = Credential::new(&value) else {
                continue;
            };
            let Check::Now(verdict) = jwt.verify(&credential) else {
                panic!("the keys are there");
            };
            assert!(matches!(verdict, Verdict::Unknown), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn no_byte_of_a_token_can_be_left_out_or_doubled() {
    let jwt = jwt();
    let good = token(&header(), &Object::claims());
    for at in 0..good.len() {
        let (before, after) = good.split_at(at);
        for changed in [
            before.to_owned(),
            format!("{before}{}", &after[1..]),
            format!("{before}{}{after}", &after[..1]),
        ] {
            let same = changed == good;
            assert!(same || known(&jwt, &changed).is_none(), "byte {at}");
        }
    }
}

#[test]
fn a_token_that_was_verified_is_still_refused_when_its_time_is_over() {
    let begun = now();
    let time = Arc::new(AtomicU64::new(begun));
    let clock = Arc::clone(&time);
    let jwt = jwt().clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let claims = Object::claims().set("exp", &(begun + 600).to_string());
    let good = token(&header(), &claims);

    for (after, expected) in [(0, true), (629, true), (630, false), (100_000, false)] {
        time.store(begun + after, Ordering::Relaxed);
        assert_eq!(known(&jwt, &good).is_some(), expected, "after {after} s");
    }
    time.store(begun - 60, Ordering::Relaxed);
    assert!(known(&jwt, &good).is_none());
}

#[test]
fn tokens_are_judged_alike_when_none_is_remembered() {
    let jwt = jwt().remember(0);
    let good = token(&header(), &Object::claims());
    for _ in 0..2 {
        assert!(known(&jwt, &good).is_some());
        assert!(known(&jwt, &format!("{good}A")).is_none());
    }
}

#[test]
fn tokens_that_take_each_others_place_keep_their_callers() {
    let jwt = jwt().remember(1);
    let tokens: Vec<_> = ["alice", "bob", "carol"]
        .map(|name| {
            (
                name,
                token(
                    &header(),
                    &Object::claims().set("sub", &format!("\"{name}\"")),
                ),
            )
        })
        .into();
    for _ in 0..3 {
        for (name, token) in &tokens {
            let principal = known(&jwt, token).unwrap();
            assert_eq!(principal.key(), format!("corp:{name}"));
        }
    }
}

#[test]
fn an_issuer_may_go_without_nbf_but_not_with_a_wrong_one() {
    let jwt = Jwt::new([issuer().without_nbf()]).unwrap();
    let without = Object::claims().without("nbf");
    let neither = without.clone().without("iat");

    assert!(known(&jwt, &token(&header(), &without)).is_some());
    assert!(known(&jwt, &token(&header(), &neither)).is_some());
    for wrong in ["\"1\"", "null", "1.5", "4102444800"] {
        let claims = without.clone().with("nbf", wrong);
        assert!(known(&jwt, &token(&header(), &claims)).is_none(), "{wrong}");
    }
    // Without a beginning, too long a life is one that ends too far from now.
    let far = neither.set("exp", &(now() + 2 * 86_400).to_string());
    assert!(known(&jwt, &token(&header(), &far)).is_none());
}

#[test]
fn a_configured_typ_is_required() {
    let jwt = Jwt::new([issuer().typ("at+jwt")]).unwrap();
    for (typ, expected) in [
        (Some("\"at+jwt\""), true),
        (Some("\"application/AT+JWT\""), true),
        (Some("\"JWT\""), false),
        (None, false),
    ] {
        let header = typ.map_or(header().without("typ"), |typ| header().set("typ", typ));
        let good = token(&header, &Object::claims());
        assert_eq!(known(&jwt, &good).is_some(), expected, "{typ:?}");
    }
}

#[test]
fn claims_become_what_is_known_of_a_caller() {
    let issuer = issuer()
        .key("client_id")
        .user("email")
        .team("/org/team")
        .org("https://claims.example/org")
        .roles("/realm_access/roles")
        .tags("scope")
        .models("models");
    let jwt = Jwt::new([issuer]).unwrap();
    let claims = Object::claims()
        .with("client_id", "\"app-1\"")
        .with("email", "\"alice@corp.example\"")
        .with("org", "{\"team\":\"search\"}")
        .with("https://claims.example/org", "\"acme\"")
        .with("realm_access", "{\"roles\":[\"admin\",\"dev\"]}")
        .with("scope", "\"read write\"")
        .with("models", "[\"gpt-*\"]");

    let principal = known(&jwt, &token(&header(), &claims)).unwrap();

    let expected = Principal::new("corp:app-1")
        .with_user("alice@corp.example")
        .with_team("search")
        .with_org("acme")
        .with_roles(["admin", "dev"])
        .with_tags(["read", "write"])
        .with_models(["gpt-*"]);
    assert_eq!(principal, expected);
    for restricting in [
        "client_id",
        "email",
        "org",
        "https://claims.example/org",
        "models",
    ] {
        let claims = claims.clone().without(restricting);
        let lacking = token(&header(), &claims);
        assert!(known(&jwt, &lacking).is_none(), "{restricting}");
    }
    for (name, wrong) in [
        ("models", "null"),
        ("models", "[1]"),
        ("scope", "7"),
        ("scope", "[\"a\",null]"),
        ("realm_access", "{\"roles\":{}}"),
        ("email", "[\"alice@corp.example\"]"),
    ] {
        let claims = claims.clone().set(name, wrong);
        let wrongly = token(&header(), &claims);
        assert!(known(&jwt, &wrongly).is_none(), "{name} {wrong}");
    }
    let adding = claims.without("scope").without("realm_access");
    assert!(known(&jwt, &token(&header(), &adding)).is_some());
}

#[test]
fn the_same_name_from_two_issuers_is_two_callers() {
    let claims = Object::claims().set("iss", "\"https://other.example\"");
    let header = Object::header("ES384", "other").text();
    let theirs = P384.token(Signature::ES384, &header, &claims.text());
    let ours = token(&self::header(), &Object::claims());
    let jwt = jwt();

    let (ours, theirs) = (known(&jwt, &ours).unwrap(), known(&jwt, &theirs).unwrap());

    assert_eq!(ours.key(), "corp:alice");
    assert_eq!(theirs.key(), "https://other.example:alice");
}

#[test]
fn keys_that_are_weak_or_for_something_else_verify_nothing() {
    let ec = |members: Value| P256.jwk(members);
    for (name, jwk) in [
        ("for encryption", ec(json!({"kid": "ec", "use": "enc"}))),
        (
            "for signing only",
            ec(json!({"kid": "ec", "key_ops": ["sign"]})),
        ),
        (
            "for another algorithm",
            ec(json!({"kid": "ec", "alg": "ES384"})),
        ),
        ("for no algorithm", ec(json!({"kid": "ec", "alg": "none"}))),
        ("private", ec(json!({"kid": "ec", "d": "AAAA"}))),
        ("on another curve", ec(json!({"kid": "ec", "crv": "P-384"}))),
        (
            "on a curve by name only",
            ec(json!({"kid": "ec", "crv": "secp256k1"})),
        ),
        ("with half a point", ec(json!({"kid": "ec", "y": "AAAA"}))),
        (
            "without a point",
            json!({"kty": "EC", "crv": "P-256", "kid": "ec"}),
        ),
        (
            "shared",
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "ec", "alg": "HS256"}),
        ),
        (
            "1024 bits",
            json!({"kty": "RSA", "kid": "ec", "n": encode([0xff; 128]), "e": "AQAB"}),
        ),
        (
            "2047 bits",
            json!({"kty": "RSA", "kid": "ec", "n": encode([0x7f; 256]), "e": "AQAB"}),
        ),
        (
            "zeros before 1024 bits",
            json!({"kty": "RSA", "kid": "ec", "n": encode([&[0; 128][..], &[0xff; 128]].concat()), "e": "AQAB"}),
        ),
        (
            "an exponent of one",
            json!({"kty": "RSA", "kid": "ec", "n": encode([0xff; 256]), "e": "AQ"}),
        ),
        (
            "an even exponent",
            json!({"kty": "RSA", "kid": "ec", "n": encode([0xff; 256]), "e": "Ag"}),
        ),
        ("kid is a number", ec(json!({"kid": 1}))),
    ] {
        let jwt = Jwt::new([issuer().keys(jwks(&[jwk]))]);
        assert_eq!(jwt.unwrap_err(), InvalidIssuer::Keys, "{name}");
    }
    // A point that is not on the curve is found out when it is used.
    let off = ec(json!({"kid": "ec", "x": encode([1; 32]), "y": encode([1; 32])}));
    let jwt = Jwt::new([issuer().keys(jwks(&[off]))]).unwrap();
    assert!(known(&jwt, &token(&header(), &Object::claims())).is_none());
}

#[test]
fn a_token_without_kid_does_not_choose_among_keys() {
    let jwt = Jwt::new([issuer().keys(jwks(&[
        P256.jwk(json!({"kid": "ec"})),
        P256.jwk(json!({"kid": "second"})),
    ]))]);
    let without = token(&header().without("kid"), &Object::claims());

    assert!(known(&jwt.unwrap(), &without).is_none());
}

#[test]
fn an_issuer_that_cannot_be_right_is_an_error() {
    let nobody: [&str; 0] = [];
    let many: Vec<_> = (0..65)
        .map(|n| P256.jwk(json!({"kid": n.to_string()})))
        .collect();
    for (name, issuers, expected) in [
        (
            "no audience",
            vec![Issuer::new(ISSUER, nobody)],
            InvalidIssuer::Incomplete,
        ),
        (
            "no name",
            vec![Issuer::new("", ["llm"])],
            InvalidIssuer::Incomplete,
        ),
        (
            "no algorithm",
            vec![issuer().algorithms([])],
            InvalidIssuer::Incomplete,
        ),
        ("twice", vec![issuer(), issuer()], InvalidIssuer::Twice),
        (
            "two of one name",
            vec![
                issuer().named("corp"),
                Issuer::new("https://b.example", [AUDIENCE]).named("corp"),
            ],
            InvalidIssuer::Twice,
        ),
        (
            "a name that callers of another can have",
            vec![issuer().named("corp:eu"), other().named("corp")],
            InvalidIssuer::Names,
        ),
        (
            "no keys",
            vec![issuer().keys("{\"keys\":[]}")],
            InvalidIssuer::Keys,
        ),
        ("no JSON", vec![issuer().keys("keys")], InvalidIssuer::Keys),
        (
            "too many keys",
            vec![issuer().keys(jwks(&many))],
            InvalidIssuer::Keys,
        ),
        (
            "plain HTTP",
            vec![Issuer::new("http://issuer.example", ["llm"])],
            InvalidIssuer::Url,
        ),
        (
            "no address",
            vec![issuer().jwks_url("keys.json")],
            InvalidIssuer::Url,
        ),
    ] {
        assert_eq!(Jwt::new(issuers).unwrap_err(), expected, "{name}");
    }
    assert!(Jwt::new([Issuer::new("http://issuer.example", ["llm"]).plain_http()]).is_ok());
}

#[tokio::test]
async fn keys_and_tokens_go_together() {
    let keys = ApiKeys::new().with_key("tg-key", Principal::new("ci"));
    let layer = AuthLayer::new(keys.or(jwt()));
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        let key = request.extensions().get::<Principal>().unwrap().key();
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(key.to_owned())))
    }));
    let good = token(&header(), &Object::claims());
    for (credential, expected) in [
        ("tg-key", Some("ci")),
        (&good, Some("corp:alice")),
        ("a.b.c", None),
    ] {
        let request = Request::get("/").header("x-api-key", credential);
        let response = service
            .clone()
            .oneshot(request.body(Body::empty()).unwrap());
        let response = response.await.unwrap();

        assert_eq!(response.status().is_success(), expected.is_some());
        let body = to_bytes(Body::new(response.into_body()), 4096)
            .await
            .unwrap();
        assert!(expected.is_none_or(|expected| body == expected));
    }
}

#[tokio::test]
async fn no_token_shows_itself_in_answers_or_debug() {
    let canary = "canary-7d1f";
    let wrong = token(
        &header(),
        &Object::claims()
            .set("sub", &format!("\"{canary}\""))
            .without("exp"),
    );
    let jwt = jwt();
    let value = HeaderValue::from_str(&wrong).unwrap();
    let check = jwt.verify(&Credential::new(&value).unwrap());
    let response = ask(jwt.clone(), &wrong).await;

    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 4096).await.unwrap();
    let shown = format!("{jwt:?} {check:?} {parts:?} {body:?} {:?}", issuer());

    for part in wrong.split('.').chain([canary]) {
        assert!(!shown.contains(part), "{shown}");
    }
}
