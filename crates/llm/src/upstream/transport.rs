use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use tollgate_core::BoxError;

use super::EndpointError;

/// How an endpoint is reached: whom its TLS trusts, and by which versions of HTTP.
#[derive(Clone, Default)]
pub(super) struct Transport {
    /// In the place of a configuration that trusts the web's authorities.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) versions: Versions,
}

impl Transport {
    /// Whether the same client can serve both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let tls = match (&self.tls, &other.tls) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        tls && self.versions == other.versions
    }
}

impl fmt::Debug for Transport {
    // A configuration may hold a client's own key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("own_tls", &self.tls.is_some())
            .field("versions", &self.versions)
            .finish()
    }
}

/// Which versions of HTTP are spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Versions {
    #[default]
    Http1,
    /// HTTP/2 if the server picks it in the TLS handshake, else HTTP/1.1.
    Negotiated,
    /// HTTP/2 from the first byte: without TLS there is nothing to negotiate by.
    PriorKnowledge,
}

/// The certificates of authorities in a PEM text.
pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, EndpointError> {
    let broken = |error: BoxError| EndpointError::Certificate(error);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| broken(error.into()))?;
        roots
            .add(certificate)
            .map_err(|error| broken(error.into()))?;
    }
    if roots.is_empty() {
        return Err(EndpointError::NoCertificate);
    }
    Ok(roots)
}

/// A configuration that trusts the web's authorities, and these.
pub(super) fn trusting(mut roots: RootCertStore) -> ClientConfig {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::authorities;
    use crate::EndpointError;

    #[test]
    fn a_text_without_a_certificate_is_refused() {
        const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for pem in ["", "no certificate\n", KEY] {
            let error = authorities(pem.as_bytes()).unwrap_err();
            assert!(matches!(error, EndpointError::NoCertificate), "{error:?}");
        }
    }

    #[test]
    fn a_broken_certificate_is_refused() {
        const BEGUN: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        const NONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in [BEGUN, NONE] {
            let error = authorities(pem.as_bytes()).unwrap_err();
            assert!(matches!(error, EndpointError::Certificate(_)), "{error:?}");
        }
    }
}
