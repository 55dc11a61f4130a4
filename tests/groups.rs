//! Teams and organisations of the database bind whoever names them: holders of tokens and of configured keys, too.

#[path = "tokens/issuer.rs"]
#[expect(dead_code, reason = "the tests of tokens need more of it")]
mod issuer;
#[path = "tokens/signer.rs"]
#[expect(dead_code, reason = "the tests of tokens need more of it")]
mod signer;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Provider, hello};

use crate::issuer::Issuer;

#[tokio::test]
async fn the_members_of_a_team_share_its_terms_whatever_they_show() {
    let scene = Scene::start("").await;
    let terms =
        json!({ "terms": { "requests_per_hour": 5 }, "permissions": { "models": ["sim"] } });
    scene.put("teams/search", terms).await;
    let made = json!({ "team": "search" });
    let made = scene.gateway.manage(Method::POST, "/api/keys", made).await;
    let key = made.json()["key"].as_str().expect("it is text").to_owned();
    let members = [scene.issuer.token(), KEY.to_owned(), key];

    for member in &members[..2] {
        let forbidden = scene.chat(member, "other").await;
        assert_eq!(forbidden.status, StatusCode::FORBIDDEN, "{forbidden:?}");
    }
    let mut passed = 0;
    for _ in 0..2 {
        for member in &members {
            let status = scene.chat(member, "sim").await.status;
            passed += usize::from(status == StatusCode::OK);
        }
    }
    let refused = scene.chat(&members[0], "sim").await;
    let other = scene.chat(&scene.token("mail", "acme"), "sim").await;

    assert_eq!(passed, 3, "those that were forbidden count");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
}

#[tokio::test]
async fn the_terms_in_the_database_take_the_place_of_those_in_the_file() {
    let scene = Scene::start("[quota.teams.search]\nrequests_per_hour = 1\n").await;
    let terms = json!({ "terms": { "requests_per_hour": 2 } });
    scene.put("teams/search", terms).await;

    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(scene.chat(&scene.issuer.token(), "sim").await.status);
    }

    let (ok, refused) = (StatusCode::OK, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(statuses, [ok, ok, refused]);
}

#[tokio::test]
async fn the_members_of_a_disabled_team_are_told_what_a_wrong_key_is() {
    let scene = Scene::start("").await;
    let members = [scene.issuer.token(), KEY.to_owned()];
    for member in &members {
        assert_eq!(scene.chat(member, "sim").await.status, StatusCode::OK);
    }
    let wrong = told(&scene.chat("tg-nobody-has-this-key", "sim").await);

    scene.put("teams/search", json!({ "disabled": true })).await;
    for member in &members {
        assert_eq!(told(&scene.chat(member, "sim").await), wrong);
    }
    scene.put("teams/search", json!({})).await;
    for member in &members {
        assert_eq!(scene.chat(member, "sim").await.status, StatusCode::OK);
    }

    scene.put("orgs/acme", json!({})).await;
    let deleted = scene
        .gateway
        .manage(Method::DELETE, "/api/orgs/acme", Value::Null)
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert_eq!(told(&scene.chat(&members[0], "sim").await), wrong);
    assert_eq!(scene.chat(&members[1], "sim").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_names_a_team_and_another_organisation_than_the_teams_is_nobody() {
    let scene = Scene::start("").await;
    let wrong = told(&scene.chat("tg-nobody-has-this-key", "sim").await);

    scene
        .put("teams/search", json!({ "parent": "umbrella" }))
        .await;
    let stranger = scene.chat(&scene.token("search", "acme"), "sim").await;
    let member = scene.chat(&scene.token("search", "umbrella"), "sim").await;
    let silent = scene.chat(KEY, "sim").await;

    assert_eq!(told(&stranger), wrong);
    assert_eq!(member.status, StatusCode::OK, "{member:?}");
    assert_eq!(silent.status, StatusCode::OK, "{silent:?}");
    let record = scene.gateway.records(4).await.remove(3);
    assert_eq!(record["principal"]["org"], "umbrella", "{record}");
}

/// A gateway that knows keys of its file, of its database, and an issuer's tokens.
struct Scene {
    issuer: Issuer,
    gateway: Gateway,
    _provider: Provider,
}

impl Scene {
    async fn start(more: &str) -> Self {
        let provider = Provider::start(Simulated::new().key("sk-simulated"));
        let issuer = Issuer::start();
        let config = format!(
            r#"
            {more}
            [database]
            url = "sqlite://tollgate-data/tollgate.db"
            [[auth.issuers]]
            issuer = "{}"
            name = "corp"
            audience = "llm"
            algorithms = ["ES256"]
            claims = {{ team = "team", org = "/corp/org" }}
            [[keys]]
            id = "configured"
            key = "{KEY}"
            team = "search"
            {}
            "#,
            issuer.url,
            provider.serving(&["sim", "other"])
        );
        Self {
            gateway: Gateway::start(Some(&config)).await,
            issuer,
            _provider: provider,
        }
    }

    fn token(&self, team: &str, org: &str) -> String {
        let claims = json!({ "team": team, "corp": { "org": org } });
        self.issuer.signer.es256(&self.issuer.claims_with(&claims))
    }

    async fn chat(&self, key: &str, model: &str) -> Answer {
        self.gateway.chat(key, hello(model)).await
    }

    async fn put(&self, group: &str, page: Value) {
        let path = format!("/api/{group}");
        let put = self.gateway.manage(Method::PUT, &path, page).await;
        assert_eq!(put.status, StatusCode::OK, "{put:?}");
    }
}

/// All that a caller is told.
fn told(answer: &Answer) -> (StatusCode, String, String) {
    let challenge = answer.header("www-authenticate");
    (answer.status, challenge.to_owned(), answer.text())
}

const KEY: &str = "tg-configured-0123456789";
