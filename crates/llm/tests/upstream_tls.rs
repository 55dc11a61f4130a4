//! TLS and HTTP/2 on the way to a provider, with certificates that the test makes.
#![cfg(all(feature = "upstream", feature = "simulated"))]

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tollgate_core::{
    About, Rejection, Trail,
    fact::{Dispatch, Failure, Phase, Target},
};
use tollgate_llm::{Endpoint, Upstream};
use tower::ServiceExt;

#[tokio::test]
async fn over_tls_requests_use_one_connection_after_the_other_by_default() {
    let server = Server::tls(&["h2", "http/1.1"]).await;
    let upstream = Upstream::new([server.endpoint()]);

    for _ in 0..5 {
        assert_eq!(ask(&upstream, "p").await, StatusCode::OK);
    }

    assert_eq!(server.versions(), [Version::HTTP_11; 5]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn over_tls_http2_is_negotiated_and_one_connection_carries_requests_at_the_same_time() {
    let server = Server::tls(&["h2", "http/1.1"]).await;
    let upstream = Upstream::new([server.endpoint().http2(true)]);
    // Until it is known that the server speaks HTTP/2, each request would begin a handshake of its own.
    ask(&upstream, "p").await;

    let statuses = join_all((0..20).map(|_| ask(&upstream, "p"))).await;

    assert_eq!(statuses, [StatusCode::OK; 20]);
    assert_eq!(server.versions(), [Version::HTTP_2; 21]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn requests_that_begin_together_are_all_answered_over_http2() {
    let server = Server::tls(&["h2"]).await;
    let upstream = Upstream::new([server.endpoint().http2(true)]);

    let statuses = join_all((0..20).map(|_| ask(&upstream, "p"))).await;

    assert_eq!(statuses, [StatusCode::OK; 20]);
    assert_eq!(server.versions(), [Version::HTTP_2; 20]);
}

#[tokio::test]
async fn a_server_that_knows_no_http2_is_spoken_to_as_it_likes() {
    let server = Server::tls(&["http/1.1"]).await;
    let upstream = Upstream::new([server.endpoint().http2(true)]);

    assert_eq!(ask(&upstream, "p").await, StatusCode::OK);

    assert_eq!(server.versions(), [Version::HTTP_11]);
}

#[tokio::test]
async fn without_tls_http2_is_spoken_from_the_first_byte() {
    let server = Server::plain().await;
    let upstream = Upstream::new([server.endpoint().http2(true)]);

    let statuses = join_all((0..20).map(|_| ask(&upstream, "p"))).await;

    assert_eq!(statuses, [StatusCode::OK; 20]);
    assert_eq!(server.versions(), [Version::HTTP_2; 20]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_sent_nothing() {
    let server = Server::tls(&["h2", "http/1.1"]).await;
    for http2 in [false, true] {
        let endpoint = Endpoint::new("p", &server.url).unwrap();
        let upstream = Upstream::new([endpoint.http2(http2)]);
        let trail = Trail::new();
        let request = chat("p", &trail, "{}");

        let response = upstream.oneshot(request).await.unwrap();

        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.code(), "connect_failed");
        assert_eq!(rejection.about(), About::Target);
        assert_eq!(trail.get::<Dispatch>(), Some(Dispatch::No));
        assert_eq!(trail.get::<Failure>().unwrap().phase, Phase::Connect);
    }
    assert_eq!(server.versions(), []);
}

#[tokio::test]
async fn an_authority_is_trusted_for_its_own_endpoint_and_for_no_other() {
    let server = Server::tls(&["h2", "http/1.1"]).await;
    for http2 in [false, true] {
        let strict = Endpoint::new("strict", &server.url).unwrap();
        let upstream = Upstream::new([server.endpoint().http2(http2), strict.http2(http2)]);

        // There is a connection that the second could have used.
        assert_eq!(ask(&upstream, "p").await, StatusCode::OK);
        assert_eq!(ask(&upstream, "strict").await, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(server.versions().len(), 2);
}

#[tokio::test]
async fn a_configuration_of_ones_own_is_used_with_the_protocols_of_the_endpoint() {
    let server = Server::tls(&["h2", "http/1.1"]).await;
    let mut roots = RootCertStore::empty();
    roots.add(server.authority.clone().unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider);
    let tls = tls.with_safe_default_protocol_versions().unwrap();
    let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"smtp".to_vec()];
    let tls = Arc::new(tls);
    let endpoint = |name: &str| {
        let endpoint = Endpoint::new(name, &server.url).unwrap();
        endpoint.tls(Arc::clone(&tls)).http2(true)
    };
    let upstream = Upstream::new([endpoint("p"), endpoint("q")]);

    assert_eq!(ask(&upstream, "p").await, StatusCode::OK);
    assert_eq!(ask(&upstream, "q").await, StatusCode::OK);

    assert_eq!(server.versions(), [Version::HTTP_2; 2]);
    assert_eq!(
        server.connections(),
        1,
        "endpoints that are reached alike share it"
    );
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_resets_it_and_the_connection_lives_on() {
    let mut server = Server::tls(&["h2"]).await;
    let upstream = Upstream::new([server.endpoint().http2(true)]);
    let request = chat("p", &Trail::new(), r#"{"model":"m","stream":true}"#);

    let response = upstream.clone().oneshot(request).await.unwrap();
    let mut body = Box::pin(response.into_body());
    body.frame().await.unwrap().unwrap();
    drop(body);

    let reset = timeout(Duration::from_secs(10), server.resets.recv());
    reset.await.expect("the provider is told").unwrap();
    assert_eq!(ask(&upstream, "p").await, StatusCode::OK);
    assert_eq!(server.connections(), 1);
}

/// Sends a request to a provider, and reads the answer whole.
async fn ask(upstream: &Upstream, provider: &str) -> StatusCode {
    let request = chat(provider, &Trail::new(), "{}");
    let response = upstream.clone().oneshot(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

fn chat(provider: &str, trail: &Trail, body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .extension(trail.clone())
        .extension(Target::model(provider, "m"))
        .body(Full::from(body))
        .unwrap()
}

/// A provider that answers at once, and with a stream that does not end if it is asked for one.
struct Server {
    url: String,
    authority: Option<rustls::pki_types::CertificateDer<'static>>,
    pem: Option<String>,
    log: Arc<Log>,
    /// Tells of each stream that was given up.
    resets: mpsc::UnboundedReceiver<()>,
}

/// What a [`Server`] has seen.
#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    versions: Mutex<Vec<Version>>,
}

impl Server {
    /// One that offers these protocols.
    async fn tls(protocols: &[&str]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let key = key.serialize_der().try_into().unwrap();
        let mut config = config
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();

        let mut server = Self::start(Some(TlsAcceptor::from(Arc::new(config)))).await;
        server.pem = Some(authority.pem());
        server.authority = Some(authority.der().clone());
        server
    }

    /// One that speaks HTTP/2 without TLS, and nothing else.
    async fn plain() -> Self {
        Self::start(None).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (told, resets) = mpsc::unbounded_channel();
        let log = Arc::<Log>::default();
        let seen = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                seen.connections.fetch_add(1, SeqCst);
                tokio::spawn(serve(socket, tls.clone(), Arc::clone(&seen), told.clone()));
            }
        });
        Self {
            url: format!("{scheme}://localhost:{port}/v1"),
            authority: None,
            pem: None,
            log,
            resets,
        }
    }

    /// An endpoint here, by the name of `p`, that trusts it.
    fn endpoint(&self) -> Endpoint {
        let endpoint = Endpoint::new("p", &self.url).unwrap();
        match &self.pem {
            Some(pem) => endpoint.ca(pem.as_bytes()).unwrap(),
            None => endpoint,
        }
    }

    fn connections(&self) -> usize {
        self.log.connections.load(SeqCst)
    }

    /// Of each request.
    fn versions(&self) -> Vec<Version> {
        self.log.versions.lock().unwrap().clone()
    }
}

async fn serve(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    log: Arc<Log>,
    told: mpsc::UnboundedSender<()>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        log.versions.lock().unwrap().push(request.version());
        let told = told.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let stream = body.windows(6).any(|window| window == b"stream");
            Ok::<_, Infallible>(if stream { endless(told) } else { plain() })
        }
    });
    let http = auto::Builder::new(TokioExecutor::new());
    // A connection that the client gives up is an error here, and is meant.
    let _ = match tls {
        Some(tls) => match tls.accept(socket).await {
            Ok(socket) => http.serve_connection(TokioIo::new(socket), service).await,
            Err(_) => return,
        },
        None => {
            let http = http.http2_only();
            http.serve_connection(TokioIo::new(socket), service).await
        }
    };
}

fn plain() -> Response<Body> {
    Response::builder()
        .header("content-type", "application/json")
        .body("{}".into())
        .unwrap()
}

/// An event, and then never another one.
fn endless(told: mpsc::UnboundedSender<()>) -> Response<Body> {
    struct Tells(mpsc::UnboundedSender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    let tells = Tells(told);
    let event = Bytes::from_static(b"data: {\"choices\":[]}\n\n");
    let events = stream::iter([Ok::<_, Infallible>(event)]).chain(stream::pending());
    let events = events.inspect(move |_| {
        let _kept_until_the_stream_is_dropped = &tells;
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(events))
        .unwrap()
}
