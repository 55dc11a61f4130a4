//! Whatever a client sends: an answer in the dialect, nothing sent on, and a gateway that goes on.

use http::{HeaderValue, Request, StatusCode, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_tests::{Behaviour, Gateway, Upstream, eventually, soon};

#[tokio::test]
async fn what_no_provider_could_serve_is_refused_in_the_dialect_and_not_sent_on() {
    const JSON: &str = "application/json";
    let large = format!(
        r#"{{"model":"fast","messages":[],"x":"{}"}}"#,
        "x".repeat(70_000)
    );
    let cases: [(&str, &str, &str, u16, &str); 14] = [
        ("no JSON", JSON, "{\"model\": ", 400, ""),
        ("an empty body", JSON, "", 400, ""),
        ("not UTF-8 in a string", JSON, "\u{0}", 400, ""),
        ("no object", JSON, "[]", 400, ""),
        (
            "rubbish after the end",
            JSON,
            r#"{"model":"fast","messages":[]} x"#,
            400,
            "",
        ),
        (
            "two models",
            JSON,
            r#"{"model":"fast","model":"other","messages":[]}"#,
            400,
            "",
        ),
        (
            "a model that is a number",
            JSON,
            r#"{"model":7,"messages":[]}"#,
            400,
            "",
        ),
        ("no model", JSON, r#"{"messages":[]}"#, 400, "model"),
        (
            "an empty model",
            JSON,
            r#"{"model":"","messages":[]}"#,
            400,
            "model",
        ),
        (
            "an unknown model",
            JSON,
            r#"{"model":"unheard-of","messages":[]}"#,
            404,
            "unheard-of",
        ),
        (
            "a forbidden model",
            JSON,
            r#"{"model":"secret","messages":[]}"#,
            403,
            "",
        ),
        ("a body over the limit", JSON, &large, 413, ""),
        (
            "another content type",
            "text/plain",
            r#"{"model":"fast","messages":[]}"#,
            415,
            "",
        ),
        (
            "a form",
            "multipart/form-data; boundary=x",
            "--x--",
            415,
            "",
        ),
    ];
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for (name, content_type, body, status, mentions) in cases {
        let mut request = gateway.post("/v1/chat/completions", KEY, body.to_owned());
        let content_type = content_type.parse().expect("it is a header");
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        // A connection whose body was left unread is closed without a word: each case has one of its own.
        let close = HeaderValue::from_static("close");
        request.headers_mut().insert(header::CONNECTION, close);

        let answer = gateway.send(request).await;

        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let error = answer.error();
        assert_eq!(error["type"], "invalid_request_error", "{name}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(mentions), "{name}: {error}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn who_is_not_known_is_refused_in_the_dialect_and_not_sent_on() {
    let cases: [(&str, &[&str], u16); 7] = [
        ("no key", &[], 401),
        ("an unknown key", &["Bearer tg-unknown"], 401),
        ("another scheme", &["Basic YTpi"], 401),
        ("an empty key", &["Bearer "], 400),
        ("a key with spaces", &["Bearer tg alice"], 400),
        (
            "two keys",
            &["Bearer tg-alice-6d1f0b9c54e2", "Bearer tg-unknown"],
            400,
        ),
        (
            "a key twice",
            &[
                "Bearer tg-alice-6d1f0b9c54e2",
                "Bearer tg-alice-6d1f0b9c54e2",
            ],
            400,
        ),
    ];
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for (name, authorizations, status) in cases {
        let mut request = gateway.post("/v1/chat/completions", KEY, good());
        request.headers_mut().remove(header::AUTHORIZATION);
        for value in authorizations {
            let value = value.parse().expect("it is a header");
            request.headers_mut().append(header::AUTHORIZATION, value);
        }

        let answer = gateway.send(request).await;

        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.error()["type"], "invalid_request_error", "{name}");
        assert!(!answer.text().contains("tg-"), "{name}: {answer:?}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn what_is_absurd_is_passed_on_or_refused_and_nothing_breaks() {
    let deep = format!(r#""messages":{}{}"#, "[".repeat(9000), "]".repeat(9000));
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for field in [
        r#""n":1000000000"#,
        r#""n":-1"#,
        r#""n":1e99"#,
        r#""max_tokens":-1"#,
        r#""max_tokens":18446744073709551616"#,
        r#""max_completion_tokens":9223372036854775807"#,
        r#""max_tokens":1.5"#,
        r#""max_tokens":"many""#,
        r#""temperature":1e308"#,
        r#""temperature":1e999"#,
        r#""stream":"perhaps""#,
        r#""stream_options":7"#,
        r#""messages":null"#,
        r#""model\u0000":"x""#,
        &deep,
    ] {
        let body = format!(r#"{{"model":"fast",{field}}}"#);
        let before = upstream.seen().len();

        let answer = gateway
            .send(gateway.post("/v1/chat/completions", KEY, body.clone()))
            .await;

        if answer.status == StatusCode::OK {
            assert_eq!(upstream.seen().len(), before + 1, "{field}");
        } else {
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{field}: {answer:?}"
            );
            answer.error();
            assert_eq!(upstream.seen().len(), before, "{field}");
        }
    }
    assert!(
        !gateway.printed().contains("panicked"),
        "{}",
        gateway.printed()
    );
    let answer = gateway
        .send(gateway.post("/v1/chat/completions", KEY, good()))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_and_nothing_is_sent_on() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"model\":"
    );
    let answer = converse(gateway.url(), &head).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""error":{"#), "{answer}");
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_head_that_stalls_is_given_up() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    // What matters is that the connection ends: hyper may say 408 or nothing.
    converse(
        gateway.url(),
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthor",
    )
    .await;

    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_given_up() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for url in [gateway.url(), gateway.admin_url()] {
        for beginning in ["", "PRI * HT"] {
            assert_eq!(converse(url, beginning).await, "", "{beginning}");
        }
    }
}

#[tokio::test]
async fn operators_connections_are_so_many_and_the_next_one_is_turned_away() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;
    let address = gateway.admin_url().trim_start_matches("http://");
    // The connection, once it is served.
    let ask = async || {
        let mut socket = TcpStream::connect(address).await?;
        let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
        socket.write_all(request).await?;
        let first = soon("an answer, or none", socket.read_u8()).await?;
        std::io::Result::Ok((first == b'H').then_some(socket))
    };
    let mut open = Vec::new();
    for _ in 0..128 {
        open.push(ask().await.expect("it is served"));
    }

    let next = ask().await;
    open.pop();

    assert!(next.is_err(), "{next:?}");
    eventually("a place", async || ask().await.ok()).await;
}

#[tokio::test]
async fn a_refusal_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for (key, status) in [(KEY, "413"), ("tg-nobody-0123456789", "401")] {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{{"
        );
        let answer = converse(gateway.url(), &head).await;

        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn two_ways_to_say_how_long_a_body_is_are_not_both_believed() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    for framing in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
    ] {
        let message = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\n{framing}\r\nconnection: close\r\n\r\n0\r\n\r\n"
        );
        let answer = converse(gateway.url(), &message).await;

        assert!(answer.starts_with("HTTP/1.1 4"), "{framing}: {answer}");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_head_too_large_to_read_is_refused() {
    let upstream = Upstream::start(Behaviour::Answers);
    let gateway = Gateway::start(Some(&config(&upstream))).await;

    let request = Request::get(format!("{}/v1/models", gateway.url()))
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header("x-large", "x".repeat(1 << 20));
    let request = request
        .body(Default::default())
        .expect("the request is sound");
    let answer = gateway.send(request).await;

    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// Sends these bytes, and reads until the gateway closes the connection.
async fn converse(url: &str, message: &str) -> String {
    let address = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address)
        .await
        .expect("the gateway listens");
    socket
        .write_all(message.as_bytes())
        .await
        .expect("the gateway reads");
    let mut answer = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = soon("the connection's end", socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn good() -> String {
    json!({ "model": "fast", "messages": [{ "role": "user", "content": "hello" }] }).to_string()
}

fn config(upstream: &Upstream) -> String {
    format!(
        r#"
        [server]
        workers = 1
        max_body = "64KiB"
        body_timeout = "1s"
        header_timeout = "1s"

        [[keys]]
        id = "alice"
        key = "{KEY}"
        models = ["fast", "unheard-*"]

        [[providers]]
        name = "scripted"
        dialect = "openai"
        base_url = "{}"
        api_key = "sk-x"

        [[models]]
        name = "fast"
        targets = [{{ provider = "scripted", model = "x" }}]
        [[models]]
        name = "secret"
        targets = [{{ provider = "scripted", model = "x" }}]
        "#,
        upstream.url(),
    )
}

const KEY: &str = "tg-alice-6d1f0b9c54e2";
