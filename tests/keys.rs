//! Virtual keys: made, changed and revoked at the admin port, and heard of by every gateway.

use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Postgres, Provider, eventually, hello};

#[tokio::test]
async fn a_key_is_shown_once_and_works_at_once() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;

    let made = gateway
        .manage(
            Method::POST,
            "/api/keys",
            json!({
                "name": "for a test",
                "user": "ann",
                "team": "search",
                "org": "acme",
                "permissions": { "models": ["sim*"] },
                "terms": { "requests_per_minute": 100 },
            }),
        )
        .await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let (id, key) = id_and_key(&made);
    assert_eq!(chat(&gateway, &key, "sim").await, StatusCode::OK);
    assert_eq!(chat(&gateway, &key, "other").await, StatusCode::FORBIDDEN);
    let listed = gateway
        .manage(Method::GET, "/api/keys?team=search", Value::Null)
        .await;
    let shown = gateway
        .manage(Method::GET, &format!("/api/keys/{id}"), Value::Null)
        .await;
    for page in [&listed, &shown] {
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text().contains(&id) && page.text().contains("search"));
        assert!(!page.text().contains(&key), "a key is shown once");
        assert!(!page.text().contains("digest"), "{}", page.text());
    }
    let hint = shown.json()["hint"]
        .as_str()
        .expect("it is text")
        .to_owned();
    assert!(
        key.starts_with(hint.trim_end_matches('…')) && hint.len() > 4,
        "{hint}"
    );
    assert!(!gateway.printed().contains(&key));
}

#[tokio::test]
async fn a_rotated_key_works_until_its_grace_has_ended() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    let (id, old) = id_and_key(&made);

    let rotate = format!("/api/keys/{id}/rotate");
    let rotated = gateway
        .manage(Method::POST, &rotate, json!({ "grace": "1h" }))
        .await;
    let (same, new) = id_and_key(&rotated);

    assert_eq!(same, id);
    assert_eq!(chat(&gateway, &old, "sim").await, StatusCode::OK);
    assert_eq!(chat(&gateway, &new, "sim").await, StatusCode::OK);
    let rotated = gateway
        .manage(Method::POST, &rotate, json!({ "grace": "0s" }))
        .await;
    let (_, newest) = id_and_key(&rotated);
    becomes(&gateway, &new, StatusCode::UNAUTHORIZED).await;
    assert_eq!(chat(&gateway, &newest, "sim").await, StatusCode::OK);
}

#[tokio::test]
async fn a_key_is_disabled_enabled_expired_and_deleted() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    let (id, key) = id_and_key(&made);
    let path = format!("/api/keys/{id}");

    gateway
        .manage(Method::POST, &format!("{path}/disable"), json!({}))
        .await;
    becomes(&gateway, &key, StatusCode::UNAUTHORIZED).await;
    gateway
        .manage(Method::POST, &format!("{path}/enable"), json!({}))
        .await;
    becomes(&gateway, &key, StatusCode::OK).await;
    let patch = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    let patched = gateway.manage(Method::PATCH, &path, patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text());
    becomes(&gateway, &key, StatusCode::UNAUTHORIZED).await;
    let patch = json!({ "expires_at": null });
    gateway.manage(Method::PATCH, &path, patch).await;
    becomes(&gateway, &key, StatusCode::OK).await;
    let deleted = gateway.manage(Method::DELETE, &path, Value::Null).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    becomes(&gateway, &key, StatusCode::UNAUTHORIZED).await;
    let gone = gateway.manage(Method::GET, &path, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_teams_terms_hold_for_all_of_its_keys() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let team = json!({ "terms": { "requests_per_hour": 3 }, "permissions": { "models": ["sim"] } });
    let put = gateway.manage(Method::PUT, "/api/teams/search", team).await;
    assert!(put.status.is_success(), "{}", put.text());
    let mut keys = Vec::new();
    for _ in 0..2 {
        let made = gateway
            .manage(Method::POST, "/api/keys", json!({ "team": "search" }))
            .await;
        keys.push(id_and_key(&made).1);
    }

    let forbidden = chat(&gateway, &keys[0], "sim2").await;
    let mut passed = 0;
    for _ in 0..4 {
        for key in &keys {
            let status = chat(&gateway, key, "sim").await;
            passed += usize::from(status == StatusCode::OK);
        }
    }

    assert_eq!(forbidden, StatusCode::FORBIDDEN);
    assert_eq!(passed, 2, "the one that was forbidden counts");
}

#[tokio::test]
async fn operators_need_their_token_where_one_is_set() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let more = format!("{EMBEDDED}\n[admin]\ntoken = \"operators-0123456789\"\n");
    let gateway = Gateway::start(Some(&config(&provider, &more))).await;

    let refused = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    let request = gateway.operation(Method::POST, "/api/keys", json!({}));
    let (mut parts, body) = request.into_parts();
    let token = "Bearer operators-0123456789"
        .parse()
        .expect("it is a header");
    parts.headers.insert(header::AUTHORIZATION, token);
    let made = gateway.send(Request::from_parts(parts, body)).await;

    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(gateway.admin("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_whose_name_points_here_makes_no_key_whatever_it_sends() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;

    for method in [Method::GET, Method::POST] {
        let mut request = gateway.operation(method, "/api/keys", json!({}));
        for (name, value) in [
            (header::HOST, "pages.example:8081"),
            (header::ORIGIN, "http://pages.example:8081"),
            (header::AUTHORIZATION, "Bearer anything"),
        ] {
            let value = value.parse().expect("it is a header");
            request.headers_mut().insert(name, value);
        }
        let answer = gateway.send(request).await;

        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    }
}

#[tokio::test]
async fn what_needs_no_body_needs_no_content_type() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    let (id, key) = id_and_key(&made);

    let path = format!("/api/keys/{id}/disable");
    let mut request = gateway.operation(Method::POST, &path, Value::Null);
    request.headers_mut().remove(header::CONTENT_TYPE);
    let disabled = gateway.send(request).await;

    assert_eq!(disabled.status, StatusCode::OK, "{}", disabled.text());
    becomes(&gateway, &key, StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn what_a_group_does_not_know_is_refused_and_not_passed_over() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;

    let team = json!({ "permissons": { "models": ["sim"] } });
    let put = gateway.manage(Method::PUT, "/api/teams/search", team).await;
    let read = gateway
        .manage(Method::GET, "/api/teams/search", Value::Null)
        .await;

    assert_eq!(put.status, StatusCode::BAD_REQUEST, "{}", put.text());
    assert!(put.text().contains("permissons"), "{}", put.text());
    assert_eq!(read.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_list_is_no_key() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;

    let made = gateway.manage(Method::POST, "/api/keys", json!([])).await;

    assert_eq!(made.status, StatusCode::BAD_REQUEST, "{}", made.text());
}

#[tokio::test]
async fn a_name_that_stands_twice_is_refused_since_nobody_knows_which_was_meant() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;

    for (method, path, body) in [
        (Method::POST, "/api/keys", r#"{"team":"a","team":"b"}"#),
        (
            Method::POST,
            "/api/keys",
            r#"{"permissions":{"models":["a"],"mod\u0065ls":["*"]}}"#,
        ),
        (
            Method::POST,
            "/api/keys",
            r#"{"metadata":{"of":[{"a":1,"a":2}]}}"#,
        ),
        (
            Method::PUT,
            "/api/teams/search",
            r#"{"disabled":true,"disabled":false}"#,
        ),
        (
            Method::POST,
            "/api/budgets/restate",
            r#"{"account":"a","spent_usd":9,"spent_usd":0}"#,
        ),
    ] {
        let mut request = gateway.operation(method, path, Value::Null);
        *request.body_mut() = body.into();
        let answer = gateway.send(request).await;

        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.text().contains("twice"), "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_database_operators_are_told_what_keys_need() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, ""))).await;

    let answer = gateway.manage(Method::GET, "/api/keys", Value::Null).await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.text().contains("[database]"), "{}", answer.text());
}

#[tokio::test]
async fn a_group_that_was_read_can_be_put_back() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let team = json!({ "name": "Search", "terms": { "requests_per_hour": 3 } });
    gateway.manage(Method::PUT, "/api/teams/search", team).await;
    let mut page = gateway
        .manage(Method::GET, "/api/teams/search", Value::Null)
        .await
        .json();

    page["disabled"] = true.into();
    let put = gateway
        .manage(Method::PUT, "/api/teams/search", page.clone())
        .await;
    let late = gateway.manage(Method::PUT, "/api/teams/search", page).await;

    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    assert_eq!(put.json()["terms"]["requests_per_hour"], 3);
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text());
}

#[tokio::test]
async fn the_name_of_a_deleted_group_is_refused_with_the_reason() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    gateway
        .manage(Method::PUT, "/api/teams/search", json!({}))
        .await;
    gateway
        .manage(Method::DELETE, "/api/teams/search", Value::Null)
        .await;

    let again = gateway
        .manage(Method::PUT, "/api/teams/search", json!({}))
        .await;

    assert_eq!(again.status, StatusCode::BAD_REQUEST, "{}", again.text());
    assert!(again.text().contains("deleted"), "{}", again.text());
}

#[tokio::test]
async fn terms_that_cannot_hold_are_refused_when_they_are_written() {
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let gateway = Gateway::start(Some(&config(&provider, EMBEDDED))).await;
    let made = gateway.manage(Method::POST, "/api/keys", json!({})).await;
    let (id, _) = id_and_key(&made);
    let budget = json!({ "usd": 5, "every": "day", "zone": "Mars/Olympus" });

    for (terms, why) in [
        (json!({ "budget": budget }), "zone"),
        (
            json!({ "budgets": [{ "usd": 1, "every": "day" }, { "usd": 9, "every": "month" }] }),
            "give one a `name`",
        ),
        (
            json!({ "requests_per_day": 1, "burst": 1_000_000_000 }),
            "hundred years",
        ),
    ] {
        let body = json!({ "terms": terms });
        for (method, path) in [
            (Method::POST, "/api/keys"),
            (Method::PATCH, &format!("/api/keys/{id}")),
            (Method::PUT, "/api/teams/search"),
        ] {
            let answer = gateway.manage(method, path, body.clone()).await;

            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(answer.text().contains(why), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_gateway_hears_of_a_revoked_key_and_known_keys_outlive_the_database() {
    let Some(mut postgres) = Postgres::new() else {
        return;
    };
    postgres.start().await;
    let provider = Provider::start(Simulated::new().key("sk-simulated"));
    let database = format!(
        "[database]\nurl = \"{}\"\n[auth]\npepper = \"for all gateways\"\n",
        postgres.url()
    );
    let config = config(&provider, &database);
    let (one, other) = tokio::join!(Gateway::start(Some(&config)), Gateway::start(Some(&config)));
    let (id, key) = id_and_key(&one.manage(Method::POST, "/api/keys", json!({})).await);
    let (_, kept) = id_and_key(&other.manage(Method::POST, "/api/keys", json!({})).await);
    for gateway in [&one, &other] {
        becomes(gateway, &key, StatusCode::OK).await;
        becomes(gateway, &kept, StatusCode::OK).await;
    }

    other
        .manage(Method::DELETE, &format!("/api/keys/{id}"), Value::Null)
        .await;
    for gateway in [&one, &other] {
        becomes(gateway, &key, StatusCode::UNAUTHORIZED).await;
    }

    postgres.kill();
    for gateway in [&one, &other] {
        becomes(
            gateway,
            "tg-nobody-knows-this-one",
            StatusCode::SERVICE_UNAVAILABLE,
        )
        .await;
        assert_eq!(chat(gateway, &kept, "sim").await, StatusCode::OK);
    }
    postgres.start().await;
    for gateway in [&one, &other] {
        becomes(
            gateway,
            "tg-nobody-knows-this-one",
            StatusCode::UNAUTHORIZED,
        )
        .await;
    }
}

async fn becomes(gateway: &Gateway, key: &str, status: StatusCode) {
    eventually(&format!("the status {status}"), async || {
        (chat(gateway, key, "sim").await == status).then_some(())
    })
    .await;
}

async fn chat(gateway: &Gateway, key: &str, model: &str) -> StatusCode {
    gateway.chat(key, hello(model)).await.status
}

fn id_and_key(answer: &Answer) -> (String, String) {
    let made = answer.json();
    let text = |name: &str| match made[name].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no {name} in {made}"),
    };
    (text("id"), text("key"))
}

fn config(provider: &Provider, more: &str) -> String {
    let served = provider.serving(&["sim", "sim2", "other"]);
    let key = "[[keys]]\nid = \"configured\"\nkey = \"tg-configured-0123456789\"\n";
    format!("{more}\n{key}{served}")
}

const EMBEDDED: &str = "[database]\nurl = \"sqlite://tollgate-data/tollgate.db\"\n";
