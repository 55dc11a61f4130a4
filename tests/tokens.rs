//! Tokens of an issuer at the gateway: whom they name, what they are good for, and what becomes of all others.

#[path = "tokens/issuer.rs"]
mod issuer;
#[path = "tokens/signer.rs"]
mod signer;

use std::time::Duration;

use futures_util::future::join_all;
use http::{StatusCode, header};
use serde_json::{Value, json};
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Provider, eventually, hello, run};

use crate::{
    issuer::{Issuer, now},
    signer::Signer,
};

#[tokio::test]
async fn a_token_passes_in_any_header_and_the_record_names_its_holder() {
    let scene = Scene::start(Issuer::start(), "").await;
    let claims = scene.issuer.claims();
    let tokens = [
        scene.issuer.signer.es256(&claims),
        scene.issuer.signer.eddsa(&claims),
    ];

    for token in &tokens {
        let answer = scene.chat(token, "sim").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let answer = scene.message("x-api-key", token).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    let holder = json!({
        "key": "corp:alice",
        "user": "alice@corp.example",
        "team": "search",
        "org": "acme",
    });
    for record in scene.gateway.records(4).await {
        assert_eq!(record["principal"], holder, "{record}");
        let said = format!("{record}{}", scene.gateway.printed());
        assert!(!tokens.iter().any(|token| said.contains(token)), "{said}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_that_to_a_wrong_key() {
    let scene = Scene::start(Issuer::start(), "").await;
    let (issuer, signer) = (&scene.issuer, &scene.issuer.signer);
    let claims = issuer.claims();
    let with = |others: Value| signer.es256(&issuer.claims_with(&others));
    let (message, signature) = {
        let (token, other) = (issuer.token(), with(json!({ "sub": "mallory" })));
        let (_, signature) = token.rsplit_once('.').expect("it has three parts");
        let (message, _) = other.rsplit_once('.').expect("it has three parts");
        (message.to_owned(), signature.to_owned())
    };
    let hour = 3600;
    let wrong = [
        ("another audience", with(json!({ "aud": "mail" }))),
        ("no audience", with(json!({ "aud": null }))),
        ("another issuer", with(json!({ "iss": "http://127.0.0.1" }))),
        (
            "expired",
            with(json!({ "iat": now() - 2 * hour, "nbf": now() - 2 * hour, "exp": now() - hour })),
        ),
        ("no expiry", with(json!({ "exp": null }))),
        (
            "not yet",
            with(json!({ "nbf": now() + hour, "exp": now() + 2 * hour })),
        ),
        ("no beginning", with(json!({ "nbf": null }))),
        ("nobody", with(json!({ "sub": null }))),
        ("no team", with(json!({ "team": null }))),
        ("no models", with(json!({ "models": null }))),
        ("nobody's signature", Signer::unsigned(&claims)),
        ("the public key as a secret", signer.hs256(&claims)),
        ("another key of the same name", Signer::new().es256(&claims)),
        ("a key that is not there", signer.es256_by("gone", &claims)),
        ("a key for something else", signer.es256_by("ed", &claims)),
        ("another's signature", format!("{message}.{signature}")),
        ("no signature", format!("{message}.")),
        ("half a token", message),
    ];

    assert_eq!(
        scene.chat(&issuer.token(), "sim").await.status,
        StatusCode::OK
    );
    let expected = told(&scene.chat("tg-nobody-has-this-key", "sim").await);
    assert_eq!(expected.0, StatusCode::UNAUTHORIZED);
    for (what, token) in wrong {
        let answer = scene.chat(&token, "sim").await;
        assert_eq!(told(&answer), expected, "{what}");
    }
}

#[tokio::test]
async fn a_teams_terms_hold_for_all_who_hold_its_tokens() {
    let terms = "[quota.teams.search]\nrequests_per_hour = 3\n";
    let scene = Scene::start(Issuer::start(), terms).await;
    let token = |sub: &str, team: &str| {
        let claims = json!({ "sub": sub, "team": team });
        scene
            .issuer
            .signer
            .es256(&scene.issuer.claims_with(&claims))
    };
    let members = [token("alice", "search"), token("bob", "search")];

    let mut passed = 0;
    for _ in 0..3 {
        for member in &members {
            let status = scene.chat(member, "sim").await.status;
            passed += usize::from(status == StatusCode::OK);
        }
    }
    let refused = scene.chat(&members[0], "sim").await;
    let other = scene.chat(&token("carol", "mail"), "sim").await;

    assert_eq!(passed, 3);
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
}

#[tokio::test]
async fn a_token_is_good_for_the_models_that_it_names() {
    let scene = Scene::start(Issuer::start(), "").await;
    let models = json!({ "models": ["other"] });
    let token = scene
        .issuer
        .signer
        .es256(&scene.issuer.claims_with(&models));

    let permitted = scene.chat(&token, "other").await;
    let refused = scene.chat(&token, "sim").await;

    assert_eq!(permitted.status, StatusCode::OK, "{permitted:?}");
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    assert_eq!(refused.error()["code"], "model_not_permitted");
}

#[tokio::test]
async fn while_an_issuer_is_away_its_tokens_are_503_and_when_it_is_back_they_pass() {
    let scene = Scene::start(Issuer::broken(), "").await;
    let token = scene.issuer.token();

    let away = scene.chat(&token, "sim").await;
    let with_key = scene.chat(KEY, "sim").await;
    scene.issuer.repair();
    let wait = away.header("retry-after").parse().expect("it is a number");
    // The one real wait: a fetch must not begin sooner after one that has failed.
    tokio::time::sleep(Duration::from_secs(wait)).await;
    eventually("the issuer's keys", async || {
        let answer = scene.chat(&token, "sim").await;
        (answer.status == StatusCode::OK).then_some(())
    })
    .await;

    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{away:?}");
    assert_eq!(away.error()["code"], "issuer_unavailable");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(with_key.status, StatusCode::OK, "{with_key:?}");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_names_does_not_flood_the_issuer() {
    let scene = Scene::start(Issuer::start(), "").await;
    let claims = scene.issuer.claims();
    let tokens: Vec<_> = (0..200)
        .map(|number| format!("{number:x}-{}", number * 7919))
        .map(|kid| scene.issuer.signer.es256_by(&kid, &claims))
        .collect();

    let answers = join_all(tokens.iter().map(|token| scene.chat(token, "sim"))).await;
    let good = scene.chat(&scene.issuer.token(), "sim").await;

    for answer in answers {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    }
    assert_eq!(good.status, StatusCode::OK, "{good:?}");
    let fetches = scene.issuer.fetches();
    assert!((1..=2).contains(&fetches), "{fetches}");
}

#[tokio::test]
async fn keys_are_found_by_discovery_or_in_a_file() {
    let issuer = Issuer::start();
    let folder = tempfile::TempDir::new().expect("there is room for a folder");
    let path = folder.path().join("keys.json");
    std::fs::write(&path, issuer.signer.jwks().to_string()).expect("the folder can be written to");
    let file = format!("jwks_file = \"{}\"", path.display());

    for (place, fetches) in [("", 1), (&*file, 1)] {
        let provider = provider();
        let gateway = Gateway::start(Some(&config(&provider, &issuer, place, ""))).await;
        let answer = gateway.chat(&issuer.token(), hello("sim")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(issuer.fetches(), fetches, "{place}");
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_believed_is_a_mistake_in_the_configuration() {
    let (provider, issuer) = (provider(), Issuer::start());
    let folder = tempfile::TempDir::new().expect("there is room for a folder");
    let namesake =
        "[[auth.issuers]]\nissuer = \"https://b.example\"\nname = \"corp\"\naudience = \"llm\"\n";
    let mistakes = [
        ("jwks_url = \"http://keys.example\"", "", "HTTPS"),
        ("jwks_file = \"nowhere.json\"", "", "nowhere.json"),
        (
            "jwks_file = \"x\"\njwks_url = \"https://x.example\"",
            "",
            "jwks_file",
        ),
        ("", namesake, "twice"),
    ];

    for (place, more, expected) in mistakes {
        let config = config(&provider, &issuer, place, more);
        std::fs::write(folder.path().join("tollgate.toml"), config)
            .expect("the folder can be written to");
        let checked = run(folder.path(), &["check", "--config", "tollgate.toml"]);
        assert!(!checked.success, "{place}{more}");
        assert!(checked.stderr.contains(expected), "{checked:?}");
    }
}

/// A gateway between a provider and those who hold tokens.
struct Scene {
    issuer: Issuer,
    gateway: Gateway,
    _provider: Provider,
}

impl Scene {
    async fn start(issuer: Issuer, more: &str) -> Self {
        let provider = provider();
        let place = format!("jwks_url = \"{}/keys\"", issuer.url);
        let config = config(&provider, &issuer, &place, more);
        Self {
            gateway: Gateway::start(Some(&config)).await,
            issuer,
            _provider: provider,
        }
    }

    async fn chat(&self, token: &str, model: &str) -> Answer {
        self.gateway.chat(token, hello(model)).await
    }

    /// Asks in Anthropic's dialect, with the token in this header.
    async fn message(&self, name: &'static str, token: &str) -> Answer {
        let mut body = hello("sim");
        body["max_tokens"] = 10.into();
        let mut request = self.gateway.post("/v1/messages", "", body.to_string());
        request.headers_mut().remove(header::AUTHORIZATION);
        let token = token.parse().expect("it is a header");
        request.headers_mut().insert(name, token);
        self.gateway.send(request).await
    }
}

/// All that a caller is told.
fn told(answer: &Answer) -> (StatusCode, String, String) {
    let challenge = answer.header("www-authenticate");
    (answer.status, challenge.to_owned(), answer.text())
}

fn provider() -> Provider {
    Provider::start(Simulated::new().key("sk-simulated"))
}

/// Of an issuer whose keys are in this place.
fn config(provider: &Provider, issuer: &Issuer, place: &str, more: &str) -> String {
    format!(
        r#"
        {more}
        [[auth.issuers]]
        issuer = "{}"
        name = "corp"
        audience = "llm"
        algorithms = ["ES256", "EdDSA"]
        claims = {{ user = "email", team = "team", org = "/corp/org", models = "models" }}
        {place}
        [[keys]]
        id = "configured"
        key = "{KEY}"
        {}
        "#,
        issuer.url,
        provider.serving(&["sim", "other"])
    )
}

const KEY: &str = "tg-configured-0123456789";
