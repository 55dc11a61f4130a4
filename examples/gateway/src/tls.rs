use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tollgate::core::fact::{Certificate, Peer};

use crate::{Error, config};

/// What encrypts connections of callers. A client without a certificate is let in, and has to show something else.
pub(crate) fn acceptor(tls: &config::Tls) -> Result<TlsAcceptor, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| format!("cannot trust {}: {error}", path.display()))?;
            }
            let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(clients.allow_unauthenticated().build()?)
        }
    };
    let key = read(&tls.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| format!("cannot use {} as a key: {error}", tls.key.display()))?;
    let config = builder.with_single_cert(certificates(&tls.cert)?, key);
    let mut config =
        config.map_err(|error| format!("cannot serve with {}: {error}", tls.cert.display()))?;
    config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Who is at the other end, by the certificate that was found valid in the handshake.
pub(crate) fn peer(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Peer {
    let (_, connection) = stream.get_ref();
    let shown = connection.peer_certificates();
    let leaf = shown.and_then(<[_]>::first);
    Peer {
        address,
        certificate: leaf.map(|certificate| Certificate(certificate.as_ref().into())),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates =
        certificates.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("there is no certificate in {}", path.display()).into());
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}
