//! Databases that were copied, or read in from a backup: what they still know, and what an operator has to state.

use std::{fs, path::PathBuf, sync::Arc};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Postgres, Provider, eventually, hello};

#[tokio::test]
async fn a_backup_that_is_read_in_keeps_budgets_closed_until_an_operator_states_what_was_spent() {
    let mut scene = Scene::start(EMBEDDED).await;
    assert_eq!(scene.chat(KEY).await.status, StatusCode::OK);
    scene.stop().await;
    let backup = fs::read(scene.file()).expect("it is there");
    scene.start_again().await;
    assert_eq!(scene.chat(KEY).await.status, StatusCode::OK);
    scene.stop().await;

    fs::write(scene.file(), backup).expect("it can be written");
    scene.start_again().await;

    scene.is_closed_until_it_is_restated().await;
}

#[tokio::test]
async fn after_a_clean_end_the_embedded_database_is_whole_in_its_one_file() {
    let mut scene = Scene::start(EMBEDDED).await;
    let made = scene.manage(Method::POST, "/api/keys", json!({})).await;
    let key = made.json()["key"].as_str().expect("it is text").to_owned();
    for key in [KEY, &key] {
        assert_eq!(scene.chat(key).await.status, StatusCode::OK);
    }
    scene.stop().await;
    let kept = TempDir::new().expect("there is room for a folder");
    fs::create_dir(kept.path().join("tollgate-data")).expect("the folder can be written to");
    for end in ["db", "pepper"] {
        let name = scene.file().with_extension(end);
        let name = name.strip_prefix(scene.folder.path()).expect("it is there");
        fs::copy(scene.folder.path().join(name), kept.path().join(name)).expect("it is there");
    }

    scene.folder = Arc::new(kept);
    scene.start_again().await;

    assert_eq!(scene.chat(&key).await.status, StatusCode::OK);
    let usage = scene
        .manage(Method::GET, "/api/usage?group_by=key", Value::Null)
        .await;
    let rows = usage.json()["data"].as_array().expect("it is a list").len();
    assert_eq!(rows, 2, "{}", usage.text());
    scene.is_closed_until_it_is_restated().await;
}

#[tokio::test]
async fn a_copy_of_a_postgres_keeps_budgets_closed_until_an_operator_states_what_was_spent() {
    let Some(mut postgres) = Postgres::new() else {
        return;
    };
    postgres.start().await;
    let mut scene = Scene::start(&postgres.url()).await;
    assert_eq!(scene.chat(KEY).await.status, StatusCode::OK);
    scene.stop().await;

    let _ = postgres.sql("CREATE DATABASE copy TEMPLATE postgres");
    scene.database = postgres.url().replace("/postgres", "/copy");
    scene.start_again().await;

    scene.is_closed_until_it_is_restated().await;
}

/// A gateway whose one caller has a hard budget.
struct Scene {
    gateway: Gateway,
    provider: Provider,
    folder: Arc<TempDir>,
    database: String,
}

impl Scene {
    async fn start(database: &str) -> Self {
        let provider = Provider::start(Simulated::new().key("sk-simulated"));
        let folder = Arc::new(TempDir::new().expect("there is room for a folder"));
        let config = config(&provider, database);
        Self {
            gateway: Gateway::start_in(Arc::clone(&folder), Some(&config), &[]).await,
            provider,
            folder,
            database: database.into(),
        }
    }

    async fn stop(&mut self) {
        self.gateway.terminate();
        assert!(self.gateway.exit().await.success());
    }

    async fn start_again(&mut self) {
        let config = config(&self.provider, &self.database);
        self.gateway = Gateway::start_in(Arc::clone(&self.folder), Some(&config), &[]).await;
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tollgate-data/tollgate.db")
    }

    async fn chat(&self, key: &str) -> Answer {
        let mut body = hello("sim");
        body["max_tokens"] = 50.into();
        self.gateway.chat(key, body).await
    }

    async fn manage(&self, method: Method, path: &str, body: Value) -> Answer {
        self.gateway.manage(method, path, body).await
    }

    async fn restate(&self, statement: Value) -> StatusCode {
        let path = "/api/budgets/restate";
        self.manage(Method::POST, path, statement).await.status
    }

    async fn is_closed_until_it_is_restated(&self) {
        let refused = self.chat(KEY).await;
        let listed = self.gateway.admin("/api/budgets").await.json();
        let window = &listed["data"][0];
        let account = window["account"].as_str().expect("it is listed");

        assert_eq!(
            refused.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{refused:?}"
        );
        assert_eq!(window["closed"], true, "{listed}");
        let unclear = self.restate(json!({ "account": account })).await;
        assert_eq!(unclear, StatusCode::BAD_REQUEST);
        let stated = json!({ "account": account, "spent_usd": "0.25" });
        assert_eq!(self.restate(stated.clone()).await, StatusCode::NO_CONTENT);
        eventually("an answer", async || {
            (self.chat(KEY).await.status == StatusCode::OK).then_some(())
        })
        .await;
        let again = self.restate(stated).await;
        assert_eq!(again, StatusCode::NOT_FOUND, "it was used");
        let listed = self.gateway.admin("/api/budgets").await.json();
        assert_eq!(listed["data"][0]["closed"], false, "{listed}");
        let granted = listed["data"][0]["granted_usd"]
            .as_str()
            .and_then(|it| it.parse().ok());
        assert!(granted.is_some_and(|it: f64| it > 0.25), "{listed}");
    }
}

fn config(provider: &Provider, database: &str) -> String {
    let pepper = match database {
        EMBEDDED => "",
        _ => "[auth]\npepper = \"for all gateways\"\n",
    };
    format!(
        r#"
        {pepper}
        [quota]
        patience = "10s"
        [database]
        url = "{database}"
        [[keys]]
        id = "caller"
        key = "{KEY}"
        quota = {{ budget = {{ usd = 1.0, every = "total", hard = true }} }}
        [[providers]]
        name = "behind"
        base_url = "{}/v1"
        api_key = "sk-simulated"
        [[models]]
        name = "sim"
        targets = [{{ provider = "behind", model = "sim", price = {{ input = 1, output = 100 }}, max_output = 4096 }}]
        "#,
        provider.url()
    )
}

const EMBEDDED: &str = "sqlite://tollgate-data/tollgate.db";
const KEY: &str = "tg-budget-0123456789abcdef";
