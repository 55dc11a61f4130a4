//! How issuers' keys are fetched, and what holds when they cannot be.

#[path = "support/server.rs"]
mod server;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "support/signer.rs"]
mod signer;

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use jsonwebtoken::Algorithm as Signature;
use rcgen::generate_simple_self_signed;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs::default_provider};
use serde_json::{Value, json};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, advance, pause, resume, sleep},
};
use tollgate_auth::{
    Algorithm, Check, Credential, FetchError, FetchFuture, Fetched, Issuer, Jwt, KeySource,
    Verdict, Verifier,
};

use self::{
    server::{Server, ok},
    signer::{AUDIENCE, ISSUER, Object, P256, Signer, encode, header, jwks, token},
};

/// A source that answers after a while with what it is told to, and counts.
#[derive(Clone, Default)]
struct Source {
    answer: Arc<Mutex<Option<(String, Option<Duration>)>>>,
    fetches: Arc<AtomicUsize>,
}

impl Source {
    fn of(keys: &[Value]) -> Self {
        let source = Self::default();
        source.says(keys, None);
        source
    }

    fn says(&self, keys: &[Value], max_age: Option<Duration>) {
        *self.answer.lock().unwrap() = Some((jwks(keys), max_age));
    }

    fn fails(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl KeySource for Source {
    fn fetch(&self) -> FetchFuture {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move {
            sleep(Duration::from_millis(100)).await;
            let (json, max_age) = answer.ok_or(FetchError::Status(StatusCode::BAD_GATEWAY))?;
            let json = json.into();
            Ok(Fetched { json, max_age })
        })
    }
}

fn believing(issuer: Issuer) -> Jwt {
    // The tokens are of the real time, and time that is only moved on does not end them.
    Jwt::new([issuer.algorithms([Algorithm::Es256])]).unwrap()
}

fn jwt(source: &Source) -> Jwt {
    believing(Issuer::new(ISSUER, [AUDIENCE]).source(source.clone()))
}

fn ec() -> Value {
    P256.jwk(json!({"kid": "ec"}))
}

fn good() -> String {
    token(&header(), &Object::claims())
}

fn of_kid(kid: &str) -> String {
    token(&Object::header("ES256", kid), &Object::claims())
}

fn check(jwt: &Jwt, token: &str) -> Check<impl Future<Output = Verdict> + use<>> {
    let value = HeaderValue::from_str(token).unwrap();
    jwt.verify(&Credential::new(&value).unwrap())
}

async fn outcome(jwt: &Jwt, token: &str) -> &'static str {
    match check(jwt, token) {
        Check::Now(verdict) => word(&verdict),
        Check::Later(verdict) => word(&verdict.await),
    }
}

/// The verdict of which nobody had to wait.
fn at_once(jwt: &Jwt, token: &str) -> &'static str {
    match check(jwt, token) {
        Check::Now(verdict) => word(&verdict),
        Check::Later(_) => "later",
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Known(_) => "known",
        Verdict::Unknown => "unknown",
        Verdict::Refused(rejection) => {
            assert_eq!(rejection.code(), "issuer_unavailable");
            assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(rejection.retry_after().unwrap() <= Duration::from_secs(30));
            "unavailable"
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_at_once_cause_one_fetch() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (jwt, good) = (jwt.clone(), good());
        callers.spawn(async move { outcome(&jwt, &good).await });
    }

    let outcomes = callers.join_all().await;

    assert_eq!(outcomes, ["known"; 1000]);
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_takes_nobodys_keys_along() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    {
        let good = good();
        let mut first = pin!(outcome(&jwt, &good));
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    assert_eq!(outcome(&jwt, &good()).await, "known");
    assert_eq!(source.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_wrong_anyway_fetches_nothing() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    for wrong in [
        "tg-key".to_owned(),
        "a.b.c".to_owned(),
        token(
            &header(),
            &Object::claims().set("iss", "\"https://other.example\""),
        ),
        token(&header(), &Object::claims().set("aud", "\"other\"")),
        token(&header(), &Object::claims().without("exp")),
        token(&header().set("alg", "\"RS256\""), &Object::claims()),
    ] {
        assert_eq!(at_once(&jwt, &wrong), "unknown");
    }

    assert_eq!(source.fetches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_one_that_was_given_up_is_not_believed() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    let (old, new) = (good(), of_kid("new"));
    assert_eq!(outcome(&jwt, &old).await, "known");
    assert_eq!(outcome(&jwt, &new).await, "unknown");
    source.says(&[P256.jwk(json!({"kid": "new"}))], None);

    assert_eq!(at_once(&jwt, &new), "unknown"); // too soon to ask again
    advance(seconds(30)).await;
    assert_eq!(outcome(&jwt, &new).await, "known");

    assert_eq!(at_once(&jwt, &old), "unknown"); // although it was verified before
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_is_verified_anew_when_a_key_changes_under_its_name() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    let old = good();
    assert_eq!(outcome(&jwt, &old).await, "known");
    source.says(&[Signer::p256().jwk(json!({"kid": "ec"}))], None);
    advance(seconds(600)).await;

    assert_eq!(outcome(&jwt, &old).await, "unknown");
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_before_anybody_has_to_wait() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    assert_eq!(outcome(&jwt, &good()).await, "known");

    for minute in 1..=60 {
        advance(seconds(60)).await;
        assert_eq!(at_once(&jwt, &good()), "known", "minute {minute}");
        sleep(seconds(1)).await;
    }

    assert!((6..=8).contains(&source.fetches()), "{}", source.fetches());
}

#[tokio::test(start_paused = true)]
async fn how_long_keys_are_good_is_bounded_whatever_the_issuer_says() {
    for (says, kept, gone) in [(0, 44, 61), (120, 89, 121), (864_000, 2699, 3601)] {
        let source = Source::default();
        source.says(&[ec()], Some(seconds(says)));
        let jwt = jwt(&source);
        assert_eq!(outcome(&jwt, &good()).await, "known");

        advance(seconds(kept)).await;
        assert_eq!(at_once(&jwt, &good()), "known");
        assert_eq!(source.fetches(), 1, "max-age of {says} after {kept} s");

        advance(seconds(gone - kept)).await;
        assert_eq!(at_once(&jwt, &good()), "later", "max-age of {says}");
        yield_now().await;
        assert_eq!(source.fetches(), 2, "max-age of {says} after {gone} s");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_from_the_start_is_unavailable_until_it_is_back() {
    let source = Source::default();
    let jwt = jwt(&source);

    assert_eq!(outcome(&jwt, &good()).await, "unavailable");
    for _ in 0..1000 {
        assert_eq!(at_once(&jwt, &good()), "unavailable");
    }
    assert_eq!(source.fetches(), 1);

    source.says(&[ec()], None);
    advance(seconds(30)).await;
    assert_eq!(outcome(&jwt, &good()).await, "known");
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_an_issuer_that_is_down_for_a_bounded_time() {
    let source = Source::of(&[ec()]);
    let issuer = Issuer::new(ISSUER, [AUDIENCE]).source(source.clone());
    let jwt = believing(issuer.stale_for(seconds(1800)));
    assert_eq!(outcome(&jwt, &good()).await, "known");
    source.fails();

    let fetched = Instant::now();
    let mut waits = 0;
    while fetched.elapsed() < seconds(600 + 1800 - 60) {
        advance(seconds(50)).await;
        if at_once(&jwt, &good()) == "later" {
            waits += 1;
        }
        sleep(seconds(1)).await;
        assert_eq!(outcome(&jwt, &good()).await, "known");
    }
    assert_eq!(waits, 0);

    advance(seconds(61)).await;
    assert_eq!(outcome(&jwt, &good()).await, "unavailable");

    source.says(&[ec()], None);
    advance(seconds(30)).await;
    assert_eq!(outcome(&jwt, &good()).await, "known");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_key_set_changes_nothing() {
    let source = Source::of(&[ec()]);
    let jwt = jwt(&source);
    assert_eq!(outcome(&jwt, &good()).await, "known");
    for malformed in ["", "{}", "[]", "{\"keys\":{}}", "<html>", "{\"keys\":[]} x"] {
        *source.answer.lock().unwrap() = Some((malformed.to_owned(), None));
        advance(seconds(31)).await;
        assert_eq!(outcome(&jwt, &of_kid("new")).await, "unknown");
        assert_eq!(outcome(&jwt, &good()).await, "known");
    }

    // That no key is good any more is an answer, too.
    source.says(&[], None);
    advance(seconds(31)).await;
    assert_eq!(outcome(&jwt, &of_kid("new")).await, "unknown");
    assert_eq!(outcome(&jwt, &good()).await, "unknown");
}

#[tokio::test]
async fn a_flood_of_unknown_kids_causes_two_fetches_a_minute() {
    for up in [true, false] {
        let body = jwks(&[ec()]);
        let server = Server::new(move |_, _| if up { ok(&body) } else { refused() }).await;
        let url = format!("{}/keys", server.url);
        let jwt = believing(Issuer::new(ISSUER, [AUDIENCE]).jwks_url(url));
        let claims = encode(Object::claims().text());
        let mut number = 0;

        for _ in 0..180 {
            for _ in 0..50 {
                number += 1;
                let kid = format!("guess-{number}");
                let head = encode(Object::header("ES256", &kid).text());
                let guess = format!("{head}.{claims}.{}", encode([7; 64]));
                let expected = if up { "unknown" } else { "unavailable" };
                assert_eq!(outcome(&jwt, &guess).await, expected);
            }
            pause();
            advance(seconds(1)).await;
            resume();
        }

        let asked = server.asked("/keys");
        assert!(asked.len() >= 5, "{} in 3 min", asked.len());
        for from in &asked {
            let minute = asked
                .iter()
                .filter(|at| (*from..*from + seconds(60)).contains(at));
            assert!(minute.count() <= 2);
        }
    }
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let server = Server::new(|path, url| match path {
        "/tenant/.well-known/openid-configuration" => ok(&json!({
            "issuer": format!("{url}/tenant"),
            "jwks_uri": format!("{url}/keys"),
        })
        .to_string()),
        "/keys" => ok(&jwks(&[ec()])),
        _ => None,
    })
    .await;
    let issuer = format!("{}/tenant", server.url);
    let jwt = believing(Issuer::new(issuer.clone(), [AUDIENCE]));
    let claims = Object::claims().set("iss", &json!(issuer).to_string());

    let good = P256.token(Signature::ES256, &header().text(), &claims.text());

    assert_eq!(outcome(&jwt, &good).await, "known");
    assert_eq!(server.asked("/keys").len(), 1);
}

#[tokio::test]
async fn keys_come_over_tls_from_a_server_that_is_trusted() {
    let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.cert.der().clone()],
            own.signing_key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    let server = Server::tls(tls, |_, _| ok(&jwks(&[ec()]))).await;
    let issuer = Issuer::new(ISSUER, [AUDIENCE]).jwks_url(format!("{}/keys", server.url));
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();

    let trusting = believing(issuer.clone().roots(roots));
    assert_eq!(outcome(&trusting, &good()).await, "known");
    assert_eq!(server.asked("/keys").len(), 1);

    assert_eq!(outcome(&believing(issuer), &good()).await, "unavailable");
    assert_eq!(server.asked("/keys").len(), 1);
}

#[tokio::test]
async fn a_discovery_document_that_is_not_the_issuers_is_not_believed() {
    for (name, issuer, keys) in [
        ("another issuer's", "https://attacker.example", "/keys"),
        ("plain HTTP elsewhere", "", "http://keys.example/keys"),
        ("a file", "", "file:///etc/keys"),
        ("no address", "", "keys"),
    ] {
        let server = Server::new(move |path, url| {
            let issuer = if issuer.is_empty() { url } else { issuer };
            let keys = if keys == "/keys" {
                format!("{url}/keys")
            } else {
                keys.to_owned()
            };
            match path {
                "/keys" => ok(&jwks(&[ec()])),
                _ => ok(&json!({"issuer": issuer, "jwks_uri": keys}).to_string()),
            }
        })
        .await;
        let jwt = believing(Issuer::new(server.url.clone(), [AUDIENCE]));
        let claims = Object::claims().set("iss", &json!(server.url).to_string());

        let good = P256.token(Signature::ES256, &header().text(), &claims.text());

        assert_eq!(outcome(&jwt, &good).await, "unavailable", "{name}");
        assert!(server.asked("/keys").is_empty(), "{name}");
    }
}

#[tokio::test]
async fn only_a_plain_answer_of_bounded_size_is_read() {
    let large = json!({"keys": [ec()], "more": "x".repeat(256 << 10)}).to_string();
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let keys = jwks(&[ec()]);
    for (name, answer) in [
        ("too large", ok(&large).unwrap()),
        (
            "too large in a chunk",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"),
        ),
        (
            "cut short",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{keys}"),
        ),
        (
            "an error",
            format!(
                "HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n{keys}",
                keys.len()
            ),
        ),
        (
            "a redirect",
            "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        ("no HTTP", keys.clone()),
    ] {
        let server = Server::new(move |path, _| match path {
            "/keys" => Some(answer.clone()),
            _ => ok(&jwks(&[ec()])),
        })
        .await;
        let url = format!("{}/keys", server.url);
        let jwt = believing(Issuer::new(ISSUER, [AUDIENCE]).jwks_url(url));

        assert_eq!(outcome(&jwt, &good()).await, "unavailable", "{name}");
        assert!(server.asked("/elsewhere").is_empty());
    }
}

#[tokio::test]
async fn a_server_that_stays_silent_is_waited_for_only_so_long() {
    let server = Server::new(|_, _| None).await;
    let url = format!("{}/keys", server.url);
    let jwt = believing(Issuer::new(ISSUER, [AUDIENCE]).jwks_url(url));
    let before = Instant::now();
    let waiting = tokio::spawn(async move { outcome(&jwt, &good()).await });
    while server.asked("/keys").is_empty() {
        yield_now().await;
    }

    pause();
    // To connect takes time as it passes; what is waited for begins no sooner than this.
    advance(Duration::from_millis(4999).saturating_sub(before.elapsed())).await;
    for _ in 0..100 {
        yield_now().await; // whoever has been woken gets as far as it can
    }
    assert!(!waiting.is_finished());
    advance(Duration::from_secs(5)).await;

    assert_eq!(waiting.await.unwrap(), "unavailable");
}

fn refused() -> Option<String> {
    Some("HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n".to_owned())
}
