//! A gateway that starts before its database does.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Postgres, Provider, eventually, hello, run};

#[tokio::test]
async fn a_gateway_serves_without_its_database_who_needs_none_and_everybody_when_it_is_there() {
    let Some(mut postgres) = Postgres::new() else {
        return;
    };
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, &postgres.url()))).await;
    let status = async |key: &str| chat(&gateway, key).await.status;

    for _ in 0..3 {
        assert_eq!(status(FREE).await, StatusCode::OK);
    }
    for (key, code) in [
        ("tg-of-the-database", "keys_unavailable"),
        (OF_A_TEAM, "keys_unavailable"),
        (BUDGETED, "budget_unavailable"),
    ] {
        let answer = chat(&gateway, key).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.error()["code"], code);
        let wait = answer.header("retry-after").parse::<u64>();
        assert!(wait.is_ok_and(|wait| wait > 0), "{answer:?}");
    }
    let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    assert_eq!(made.status, StatusCode::SERVICE_UNAVAILABLE);
    let ready = gateway.admin("/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    assert!(ready.text().contains("away"), "{}", ready.text());

    postgres.start().await;

    let key = eventually("a key", async || {
        let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
        made.json()["key"].as_str().map(str::to_owned)
    })
    .await;
    for key in [FREE, &key, OF_A_TEAM] {
        assert_eq!(status(key).await, StatusCode::OK);
    }
    let refused = eventually("the end of the budget", async || {
        let answer = chat(&gateway, BUDGETED).await;
        (answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(answer)
    })
    .await;
    assert_eq!(refused.error()["code"], "insufficient_quota");
    assert_eq!(gateway.admin("/readyz").await.text(), "ok\n");
    let (free, budgeted) = eventually("the usage of all calls", async || {
        let path = "/api/usage?group_by=key";
        let page = gateway.manage(Method::GET, path, Value::Null).await.json();
        let rows = page["data"].as_array()?;
        let of = |key: &str| rows.iter().find(|row| row["key"] == key).cloned();
        let free = of("free").filter(|row| row["requests"] == 4)?;
        Some((free, of("budgeted")?))
    })
    .await;
    assert_eq!(free["failed"], 0, "those of before count: {free}");
    let spent = budgeted["cost_nanos"].as_u64();
    assert!(
        spent.is_some_and(|spent| (1..=10_000_000).contains(&spent)),
        "{budgeted}"
    );
}

#[tokio::test]
async fn whoever_names_a_team_is_refused_once_its_database_has_been_away_too_long() {
    let Some(mut postgres) = Postgres::new() else {
        return;
    };
    postgres.start().await;
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, &postgres.url()))).await;
    let becomes = async |status: StatusCode| {
        eventually(&format!("the status {status}"), async || {
            let answer = chat(&gateway, OF_A_TEAM).await;
            (answer.status == status).then_some(())
        })
        .await;
    };

    becomes(StatusCode::OK).await;
    postgres.kill();
    becomes(StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(chat(&gateway, FREE).await.status, StatusCode::OK);
    postgres.start().await;
    becomes(StatusCode::OK).await;
}

#[tokio::test]
async fn a_database_that_is_there_and_not_ours_is_an_error_at_the_start() {
    let Some(mut postgres) = Postgres::new() else {
        return;
    };
    postgres.start().await;
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let folder = tempfile::TempDir::new().expect("there is room for a folder");

    for url in [
        postgres.url().replace("/postgres", "/nowhere"),
        postgres.url().replace("tollgate@", "nobody@"),
    ] {
        let config = config(&provider, &url);
        std::fs::write(folder.path().join("c.toml"), config).expect("it can be written");
        let arguments = [
            "--config",
            "c.toml",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ];
        let ended = run(folder.path(), &arguments);

        assert!(!ended.success, "{url}");
        assert!(
            ended.stderr.contains("cannot open the database"),
            "{ended:?}"
        );
    }
}

async fn chat(gateway: &Gateway, key: &str) -> Answer {
    let mut body = hello("sim");
    body["max_tokens"] = 40.into();
    gateway.chat(key, body).await
}

fn config(provider: &Provider, database: &str) -> String {
    format!(
        r#"
        [auth]
        pepper = "for all gateways"
        max_stale = "2s"
        [database]
        url = "{database}"
        [[keys]]
        id = "free"
        key = "{FREE}"
        [[keys]]
        id = "of-a-team"
        key = "{OF_A_TEAM}"
        team = "search"
        [[keys]]
        id = "budgeted"
        key = "{BUDGETED}"
        quota = {{ budget = {{ usd = 0.01, every = "total", hard = true }} }}
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

const FREE: &str = "tg-free-0123456789abcdef";
const OF_A_TEAM: &str = "tg-team-0123456789abcdef";
const BUDGETED: &str = "tg-budget-0123456789abcdef";
