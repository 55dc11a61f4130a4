//! Callers that are known by the certificate of their connection.

#[path = "certificates/authority.rs"]
mod authority;
#[path = "certificates/client.rs"]
mod client;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Provider, run};

use crate::{
    authority::{Authority, Identity, Name},
    client::Client,
};

#[tokio::test]
async fn a_certificate_is_the_principal_on_a_first_and_on_a_resumed_connection() {
    let scene = Scene::start("dns").await;
    let client = scene.client(
        scene
            .clients
            .client("x", &[Name::Dns("billing.corp.example")]),
    );

    for _ in 0..2 {
        let answer = scene.ask(&client, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }

    assert_eq!(client.resumed(), 1);
    for record in scene.gateway.records(2).await {
        assert_eq!(
            record["principal"],
            holder("billing.corp.example"),
            "{record}"
        );
    }
}

#[tokio::test]
async fn the_name_that_counts_is_the_configured_one_and_there_is_one_of_it() {
    let billing = Name::Uri("spiffe://corp.example/billing");
    let cases = [
        ("dns", "x", vec![Name::Dns("a.example")], Some("a.example")),
        ("dns", "x", vec![Name::Dns("*.example")], None),
        (
            "dns",
            "x",
            vec![Name::Dns("a.example"), Name::Dns("b.example")],
            None,
        ),
        ("dns", "a.example", vec![Name::Uri("urn:a")], None),
        (
            "uri",
            "x",
            vec![billing],
            Some("spiffe://corp.example/billing"),
        ),
        (
            "uri",
            "x",
            vec![Name::Uri("urn:a"), Name::Uri("urn:b")],
            None,
        ),
        (
            "common_name",
            "billing",
            vec![Name::Dns("a.example")],
            Some("billing"),
        ),
    ];

    for (identity, common_name, others, expected) in cases {
        let scene = Scene::start(identity).await;
        let client = scene.client(scene.clients.client(common_name, &others));
        let answer = scene.ask(&client, &[]).await;
        let record = scene.gateway.records(1).await.remove(0);
        match expected {
            Some(name) => {
                assert_eq!(answer.status, StatusCode::OK, "{identity} {answer:?}");
                assert_eq!(record["principal"], holder(name), "{identity}");
            }
            None => {
                assert_eq!(
                    answer.status,
                    StatusCode::UNAUTHORIZED,
                    "{identity} {answer:?}"
                );
                assert_eq!(answer.error()["code"], "invalid_api_key");
            }
        }
    }
}

#[tokio::test]
async fn who_has_no_certificate_needs_a_key() {
    let scene = Scene::start("dns").await;
    let client = Client::new(scene.server.roots(), None);

    let nothing = scene.ask(&client, &[]).await;
    let key = scene.ask(&client, &[("x-api-key", KEY)]).await;

    assert_eq!(nothing.status, StatusCode::UNAUTHORIZED, "{nothing:?}");
    assert_eq!(nothing.error()["code"], "missing_credentials");
    assert_eq!(key.status, StatusCode::OK, "{key:?}");
}

#[tokio::test]
async fn of_a_certificate_and_a_key_the_key_decides() {
    let scene = Scene::start("dns").await;
    let client = scene.client(scene.clients.client("x", &[Name::Dns("a.example")]));

    let right = scene.ask(&client, &[("x-api-key", KEY)]).await;
    let wrong = scene
        .ask(&client, &[("x-api-key", "tg-nobody-has-it")])
        .await;

    assert_eq!(right.status, StatusCode::OK, "{right:?}");
    let record = scene.gateway.records(1).await.remove(0);
    assert_eq!(record["principal"], json!({ "key": "configured" }));
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
}

#[tokio::test]
async fn the_holder_of_a_certificate_is_bound_to_its_team_in_the_database() {
    let scene = Scene::start("dns").await;
    let client = scene.client(scene.clients.client("x", &[Name::Dns("a.example")]));
    let put = async |team: Value| {
        let path = "/api/teams/backend";
        let put = scene.gateway.manage(Method::PUT, path, team).await;
        assert_eq!(put.status, StatusCode::OK, "{put:?}");
    };

    let before = scene.ask(&client, &[]).await;
    put(json!({ "permissions": { "models": ["other"] } })).await;
    let forbidden = scene.ask(&client, &[]).await;
    put(json!({ "disabled": true })).await;
    let disabled = scene.ask(&client, &[]).await;

    assert_eq!(before.status, StatusCode::OK, "{before:?}");
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN, "{forbidden:?}");
    assert_eq!(disabled.status, StatusCode::UNAUTHORIZED, "{disabled:?}");
    assert_eq!(disabled.error()["code"], "invalid_api_key");
}

#[tokio::test]
async fn who_shows_a_certificate_of_another_authority_is_not_spoken_to() {
    let scene = Scene::start("dns").await;
    let client = scene.client(Authority::new().client("x", &[Name::Dns("a.example")]));

    let answer = client.chat(&scene.gateway, &[("x-api-key", KEY)]).await;

    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_header_that_speaks_of_a_certificate_is_not_believed() {
    let scene = Scene::start("dns").await;
    let without = Client::new(scene.server.roots(), None);
    let with = scene.client(scene.clients.client("x", &[Name::Dns("a.example")]));
    let forged = [
        ("x-client-cert", "MIIB"),
        ("x-client-cert-dns", "root.example"),
        ("client-cert", ":MIIB:"),
        ("x-forwarded-client-cert", "DNS=root.example"),
        ("x-ssl-client-verify", "SUCCESS"),
    ];

    let stranger = scene.ask(&without, &forged).await;
    let known = scene.ask(&with, &forged).await;

    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{stranger:?}");
    assert_eq!(known.status, StatusCode::OK, "{known:?}");
    let records = scene.gateway.records(2).await;
    assert_eq!(records[1]["principal"], holder("a.example"));
}

#[tokio::test]
async fn what_it_says_at_the_start_and_of_its_configuration_is_https() {
    let scene = Scene::start("dns").await;
    let path = scene.folder.path().join("tollgate.toml");
    std::fs::write(&path, &scene.config).expect("the folder can be written to");

    let checked = run(scene.folder.path(), &["check", "--config", "tollgate.toml"]);

    assert!(scene.gateway.url().starts_with("https://127.0.0.1:"));
    assert!(scene.gateway.admin_url().starts_with("http://127.0.0.1:"));
    assert!(checked.success, "{checked:?}");
    assert!(
        checked.stdout.contains("https://127.0.0.1:8080"),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_file_of_tls_that_cannot_be_used_is_a_mistake_in_the_configuration() {
    for name in ["cert.pem", "key.pem", "clients.pem"] {
        let scene = Scene::start("dns").await;
        let folder = scene.folder.path();
        std::fs::write(folder.join("tollgate.toml"), &scene.config)
            .expect("the folder can be written to");
        std::fs::write(folder.join(name), "not PEM").expect("the folder can be written to");

        let checked = run(folder, &["check", "--config", "tollgate.toml"]);

        assert!(!checked.success, "{name}");
        assert!(checked.stderr.contains(name), "{checked:?}");
    }
}

/// A gateway over TLS.
struct Scene {
    server: Authority,
    clients: Authority,
    gateway: Gateway,
    config: String,
    folder: TempDir,
    _provider: Provider,
}

impl Scene {
    async fn start(identity: &str) -> Self {
        let provider = Provider::start(Simulated::new().key("sk-simulated"));
        let folder = TempDir::new().expect("there is room for a folder");
        let (server, clients) = (Authority::new(), Authority::new());
        let config = format!(
            r#"
            {}
            [database]
            url = "sqlite://tollgate-data/tollgate.db"
            [auth.certificates]
            identity = "{identity}"
            team = "backend"
            [[keys]]
            id = "configured"
            key = "{KEY}"
            {}
            "#,
            server.server(folder.path(), &clients),
            provider.serving(&["sim"])
        );
        Self {
            gateway: Gateway::start(Some(&config)).await,
            server,
            clients,
            config,
            folder,
            _provider: provider,
        }
    }

    fn client(&self, identity: Identity) -> Client {
        Client::new(self.server.roots(), Some(identity))
    }

    async fn ask(&self, client: &Client, headers: &[(&'static str, &str)]) -> Answer {
        let answer = client.chat(&self.gateway, headers).await;
        answer.expect("the gateway answers")
    }
}

/// The principal in a record.
fn holder(name: &str) -> Value {
    json!({ "key": format!("certificate {name}"), "user": name, "team": "backend" })
}

const KEY: &str = "tg-configured-0123456789";
