use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tollgate_tests::{Answer, Gateway, soon};

use crate::authority::Identity;

/// A client over TLS, with a certificate of its own or without.
pub(crate) struct Client {
    tls: TlsConnector,
    resumed: AtomicUsize,
}

impl Client {
    pub(crate) fn new(roots: RootCertStore, identity: Option<Identity>) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions of TLS")
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => builder
                .with_client_auth_cert(vec![certificate], key)
                .expect("the key is the certificate's"),
        };
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            resumed: AtomicUsize::new(0),
        }
    }

    /// How many of its connections went on with the session of another one, in which no certificate is shown again.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Relaxed)
    }

    /// Asks for a chat completion on a connection of its own, with these headers.
    pub(crate) async fn chat(
        &self,
        gateway: &Gateway,
        headers: &[(&'static str, &str)],
    ) -> Result<Answer, Box<dyn Error>> {
        let address = gateway.url().strip_prefix("https://");
        let socket = TcpStream::connect(address.expect("it serves TLS")).await?;
        let name = ServerName::try_from("127.0.0.1")?;
        let stream = soon("the handshake", self.tls.connect(name, socket)).await?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.resumed.fetch_add(1, Relaxed);
        }
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Whoever is refused hears of it from the request.
        tokio::spawn(async move { drop(connection.await) });
        let request = request(gateway, headers);
        let response = soon("the answer's head", sender.send_request(request)).await?;
        Ok(Answer::read(response).await)
    }
}

fn request(gateway: &Gateway, headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let body = r#"{"model":"sim","messages":[{"role":"user","content":"hello"}]}"#;
    let mut request = gateway.post("/v1/chat/completions", "", body);
    *request.uri_mut() = "/v1/chat/completions".parse().expect("it is a path");
    let all = request.headers_mut();
    all.remove(header::AUTHORIZATION);
    all.insert(header::HOST, "127.0.0.1".parse().expect("it is a host"));
    for (name, value) in headers {
        all.insert(*name, value.parse().expect("it is a header"));
    }
    request
}
