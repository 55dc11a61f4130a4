//! A provider over TLS and HTTP/2, as the configuration says.

use std::{convert::Infallible, fs, path::Path};

use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};
use tokio_rustls::TlsAcceptor;
use tollgate_tests::{Gateway, run, soon};

#[tokio::test]
async fn a_provider_is_reached_over_tls_and_http2_by_the_authority_in_the_configuration() {
    let folder = TempDir::new().expect("there is room for a folder");
    let mut provider = Provider::start(folder.path()).await;
    let config = config(&format!("{}http2 = true\n{}", provider.config, provider.ca));
    let gateway = Gateway::start(Some(&config)).await;

    let answer = gateway.chat(KEY, asked("plain")).await;
    let events = gateway.stream(KEY, asked("a stream")).await.rest().await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "one");
    let events = events.expect("the stream is whole");
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    for _ in 0..2 {
        let version = soon("a request", provider.seen.recv()).await;
        assert_eq!(version, Some(Version::HTTP_2));
    }
}

#[tokio::test]
async fn a_provider_that_nobody_vouches_for_is_not_sent_a_request() {
    let folder = TempDir::new().expect("there is room for a folder");
    let mut provider = Provider::start(folder.path()).await;
    let gateway = Gateway::start(Some(&config(&provider.config))).await;

    let answer = gateway.chat(KEY, asked("plain")).await;

    assert_eq!(answer.status, 502, "{answer:?}");
    answer.error();
    let record = gateway.records(1).await.remove(0);
    assert!(record.to_string().contains("connect_failed"), "{record}");
    assert!(provider.seen.try_recv().is_err());
}

#[tokio::test]
async fn the_summary_says_how_a_provider_is_reached() {
    let folder = TempDir::new().expect("there is room for a folder");
    let provider = Provider::start(folder.path()).await;
    let config = config(&format!("{}http2 = true\n{}", provider.config, provider.ca));
    fs::write(folder.path().join("tollgate.toml"), config).expect("the folder can be written to");

    let checked = run(folder.path(), &["check", "--config", "tollgate.toml"]);

    assert!(checked.success, "{checked:?}");
    assert!(checked.stdout.contains("HTTP/2"), "{checked:?}");
    assert!(checked.stdout.contains("ca.pem"), "{checked:?}");
}

const KEY: &str = "tg-0123456789abcdef";

/// Of a key and of a model at the provider, after the provider's own.
fn config(provider: &str) -> String {
    let rest = "[[models]]\nname = \"fast\"\ntargets = [{ provider = \"p\", model = \"x\" }]\n";
    format!("{provider}{rest}[[keys]]\nid = \"alice\"\nkey = \"{KEY}\"\n")
}

fn asked(text: &str) -> serde_json::Value {
    json!({ "model": "fast", "messages": [{ "role": "user", "content": text }] })
}

/// A provider with a certificate by an authority of its own; it speaks nothing but HTTP/2.
struct Provider {
    config: String,
    /// The line of the configuration that names the authority.
    ca: String,
    /// The version of each request.
    seen: UnboundedReceiver<Version>,
}

impl Provider {
    async fn start(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it is sound");
        let ca = folder.join("ca.pem");
        fs::write(&ca, authority.pem()).expect("the folder can be written to");

        let acceptor = acceptor(&authority);
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(converse(socket, acceptor.clone(), sender.clone()));
            }
        });
        let url = format!("https://localhost:{port}/v1");
        Self {
            config: format!("[[providers]]\nname = \"p\"\nbase_url = \"{url}\"\n"),
            ca: format!("ca = \"{}\"\n", ca.display()),
            seen,
        }
    }
}

fn acceptor(authority: &CertifiedIssuer<'_, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().expect("there is randomness");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("it is a name");
    let certificate = params.signed_by(&key, authority).expect("it is sound");
    let key = key.serialize_der().try_into().expect("it is a key");
    let mut tls = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("the key is the certificate's");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(std::sync::Arc::new(tls))
}

async fn converse(socket: TcpStream, tls: TlsAcceptor, seen: UnboundedSender<Version>) {
    let Ok(socket) = tls.accept(socket).await else {
        return; // The gateway does not trust it.
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let _ = seen.send(request.version());
        async move {
            let body = request.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            Ok::<_, Infallible>(answer(asked["stream"] == true))
        }
    });
    // A connection that the gateway gives up is an error here.
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

fn answer(stream: bool) -> Response<Full<Bytes>> {
    let choice = |key: &str| json!({ "index": 0, key: { "role": "assistant", "content": "one" }, "finish_reason": "stop" });
    let (content_type, body) = if stream {
        let chunk = json!({ "object": "chat.completion.chunk", "choices": [choice("delta")] });
        (
            "text/event-stream",
            format!("data: {chunk}\n\ndata: [DONE]\n\n"),
        )
    } else {
        let whole = json!({ "object": "chat.completion", "choices": [choice("message")] });
        ("application/json", whole.to_string())
    };
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::from(body))
        .expect("the answer is sound")
}
