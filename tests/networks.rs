//! Where a key may be used from and for what: by the address of the connection, or by what a trusted proxy says.

use http::{Method, StatusCode};
use serde_json::json;
use tollgate_llm::simulated::Simulated;
use tollgate_tests::{Answer, Gateway, Provider};

#[tokio::test]
async fn what_a_trusted_proxy_says_of_the_clients_address_is_believed() {
    let scene =
        Scene::start("[server]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.9.0.0/16\"]").await;

    let said = [
        ("x-forwarded-for", "10.1.2.3", true),
        ("x-forwarded-for", "10.1.2.3:4711", true),
        ("x-forwarded-for", "203.0.113.7, 10.1.2.3", true),
        ("x-forwarded-for", "10.1.2.3, 10.9.0.1", true),
        ("x-forwarded-for", "10.1.2.3, 203.0.113.7", false),
        ("x-forwarded-for", "203.0.113.7", false),
        ("x-forwarded-for", "unknown", false),
        ("x-real-ip", "10.1.2.3", false),
        ("x_forwarded_for", "10.1.2.3", false),
    ];
    for (name, value, passes) in said {
        let answer = scene.from(name, value).await;
        assert_eq!(
            answer.status == StatusCode::OK,
            passes,
            "{name}: {value}: {answer:?}"
        );
        if !passes {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
            assert_eq!(answer.error()["code"], "address_not_permitted");
        }
    }
}

#[tokio::test]
async fn what_anybody_else_says_of_it_is_not() {
    // The gateway's own default trusts nobody, and a proxy is not trusted for being near.
    for trusted in ["", "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]"] {
        let scene = Scene::start(trusted).await;

        for name in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "x-client-ip",
            "true-client-ip",
        ] {
            let value = if name == "forwarded" {
                "for=10.1.2.3"
            } else {
                "10.1.2.3"
            };
            let answer = scene.from(name, value).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {answer:?}");
        }
        let local = scene.chat("tg-local-0123456789").await;
        assert_eq!(local.status, StatusCode::OK, "{local:?}");
    }
}

#[tokio::test]
async fn a_key_is_good_for_the_routes_that_it_names() {
    let scene = Scene::start("").await;

    let permitted = scene.chat("tg-chatty-0123456789").await;
    let message = json!({ "model": "sim", "max_tokens": 10, "messages": [{ "role": "user", "content": "hello" }] });
    let mut refused = Vec::new();
    for (method, path) in [
        (Method::POST, "/v1/messages"),
        (Method::POST, "/v1/chat"),
        (Method::GET, "/v1/chat/completions"),
        (Method::GET, "/v1/models"),
    ] {
        let mut request = scene
            .gateway
            .post(path, "tg-chatty-0123456789", message.to_string());
        *request.method_mut() = method;
        refused.push(scene.gateway.send(request).await);
    }
    let strange = scene
        .gateway
        .post("/v1/chat/%2e%2e/messages", "tg-chatty-0123456789", "{}");
    let strange = scene.gateway.send(strange).await;

    assert_eq!(permitted.status, StatusCode::OK, "{permitted:?}");
    for answer in refused {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
        assert!(
            answer.text().contains("may not use this method and path"),
            "{answer:?}"
        );
    }
    assert_eq!(strange.status, StatusCode::BAD_REQUEST, "{strange:?}");
}

struct Scene {
    gateway: Gateway,
    _provider: Provider,
}

impl Scene {
    async fn start(server: &str) -> Self {
        let provider = Provider::start(Simulated::new().key("sk-simulated"));
        let config = format!(
            r#"
            {server}
            [[keys]]
            id = "far"
            key = "tg-far-0123456789"
            networks = ["10.1.0.0/16"]
            [[keys]]
            id = "local"
            key = "tg-local-0123456789"
            networks = ["127.0.0.1/32"]
            [[keys]]
            id = "chatty"
            key = "tg-chatty-0123456789"
            routes = ["POST /v1/chat/*"]
            [[providers]]
            name = "behind"
            base_url = "{}/v1"
            api_key = "sk-simulated"
            [[models]]
            name = "sim"
            targets = [{{ provider = "behind", model = "sim" }}]
            "#,
            provider.url()
        );
        Self {
            gateway: Gateway::start(Some(&config)).await,
            _provider: provider,
        }
    }

    async fn chat(&self, key: &str) -> Answer {
        self.gateway.chat(key, body()).await
    }

    /// Asks with the key that is bound to `10.1.0.0/16`, and says this of where it comes from.
    async fn from(&self, name: &'static str, value: &str) -> Answer {
        let path = "/v1/chat/completions";
        let mut request = self
            .gateway
            .post(path, "tg-far-0123456789", body().to_string());
        let value = value.parse().expect("it is a header");
        request.headers_mut().insert(name, value);
        self.gateway.send(request).await
    }
}

fn body() -> serde_json::Value {
    json!({ "model": "sim", "messages": [{ "role": "user", "content": "hello" }] })
}
