use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::AUTHORIZATION,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tollgate_core::BoxError;

use super::transport::{Transport, Versions, authorities, trusting};

/// Where a provider is, and the credential that belongs there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Arc<str>,
    scheme: Scheme,
    authority: Authority,
    prefix: Arc<str>,
    headers: HeaderMap,
    asks_for_usage: bool,
    transport: Transport,
}

impl Endpoint {
    /// An endpoint by the name that targets give as their provider, and its base URL, such as
    /// `https://api.openai.com/v1`, which takes the place of `/v1` in a request's path.
    ///
    /// # Errors
    /// If the URL is not an absolute one of `http` or `https`, or has a query or a user.
    pub fn new(name: impl Into<Arc<str>>, base_url: &str) -> Result<Self, EndpointError> {
        let uri: Uri = base_url.parse().map_err(EndpointError::Url)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(EndpointError::NotAbsolute);
        };
        let path = parts
            .path_and_query
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        let plain = path.query().is_none() && !authority.as_str().contains('@');
        if !plain || (scheme != Scheme::HTTP && scheme != Scheme::HTTPS) {
            return Err(EndpointError::NotAbsolute);
        }
        Ok(Self {
            name: name.into(),
            scheme,
            authority,
            prefix: path.path().trim_end_matches('/').into(),
            headers: HeaderMap::new(),
            asks_for_usage: true,
            transport: Transport::default(),
        })
    }

    /// Sends this key, as `Authorization: Bearer`.
    ///
    /// # Errors
    /// If the key cannot stand in a header.
    pub fn bearer(self, key: SecretString) -> Result<Self, EndpointError> {
        let value = SecretString::from(format!("Bearer {}", key.expose_secret()));
        self.header(AUTHORIZATION, value)
    }

    /// Sends this header, in the place of the client's.
    ///
    /// # Errors
    /// If the value cannot stand in a header.
    pub fn header(mut self, name: HeaderName, value: SecretString) -> Result<Self, EndpointError> {
        let value = HeaderValue::try_from(value.expose_secret());
        let mut value = value.map_err(|_| EndpointError::Secret)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Whether to ask for `stream_options.include_usage`, so that streams are metered; on by default. A few compatible
    /// servers refuse it.
    #[must_use]
    pub fn asks_for_usage(mut self, asks: bool) -> Self {
        self.asks_for_usage = asks;
        self
    }

    /// Whether to speak HTTP/2, where one connection carries all requests: over TLS if the server agrees to it, without
    /// TLS always. Off by default. Beyond the number of streams that the server allows, requests wait for each other.
    #[must_use]
    pub fn http2(mut self, on: bool) -> Self {
        self.transport.versions = match on {
            false => Versions::Http1,
            true if self.scheme == Scheme::HTTP => Versions::PriorKnowledge,
            true => Versions::Negotiated,
        };
        self
    }

    /// Trusts these authorities as well as the web's, for this endpoint only: one certificate or several, in PEM. It takes
    /// the place of an earlier [`tls`](Self::tls).
    ///
    /// # Errors
    /// If there is no certificate, or one that cannot be read.
    pub fn ca(mut self, pem: &[u8]) -> Result<Self, EndpointError> {
        self.transport.tls = Some(Arc::new(trusting(authorities(pem)?)));
        Ok(self)
    }

    /// Makes connections by this configuration, such as one with a certificate of the client's own, or one that trusts a
    /// single authority. Which protocols are offered is set by [`http2`](Self::http2). Endpoints that are given clones of
    /// one pointer share connections.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.transport.tls = Some(config);
        self
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) const fn wants_usage(&self) -> bool {
        self.asks_for_usage
    }

    pub(super) const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The address of a request's path here.
    pub(super) fn uri(&self, asked: &Uri) -> Result<Uri, http::Error> {
        let known = asked.path_and_query().cloned();
        let asked = known.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let rest = asked.as_str().strip_prefix(VERSION);
        let rest = rest
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(asked.as_str());
        let path = if &*self.prefix == VERSION {
            asked
        } else {
            PathAndQuery::try_from(format!("{}{rest}", self.prefix))?
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }
}

/// Why an [`Endpoint`] cannot be.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// The base URL cannot be read.
    Url(InvalidUri),
    /// The base URL is not `http(s)://host[:port][/path]`.
    NotAbsolute,
    /// A credential has characters that cannot stand in a header.
    Secret,
    /// There is no certificate in the PEM of an authority.
    NoCertificate,
    /// The certificate of an authority cannot be read.
    Certificate(BoxError),
}

impl std::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "the base URL cannot be read",
            Self::NotAbsolute => "the base URL is not of the form http(s)://host[:port][/path]",
            Self::Secret => "the credential has characters that cannot stand in a header",
            Self::NoCertificate => "there is no certificate in the PEM of the authority",
            Self::Certificate(_) => "the certificate of the authority cannot be read",
        })
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Certificate(error) => Some(&**error),
            _ => None,
        }
    }
}

const VERSION: &str = "/v1";

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::Endpoint;

    #[test]
    fn the_base_url_takes_the_place_of_the_version() {
        for (base, asked, expected) in [
            (
                "https://api.openai.com/v1",
                "/v1/chat/completions",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:9/v1/",
                "/v1/models/a%2Fb?x=1",
                "http://127.0.0.1:9/v1/models/a%2Fb?x=1",
            ),
            (
                "https://api.groq.com/openai/v1",
                "/v1/models",
                "https://api.groq.com/openai/v1/models",
            ),
            (
                "http://localhost:11434",
                "/v1/embeddings",
                "http://localhost:11434/embeddings",
            ),
        ] {
            let endpoint = Endpoint::new("x", base).unwrap();
            let asked: Uri = asked.parse().unwrap();
            assert_eq!(endpoint.uri(&asked).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_plain_base_url_is_refused() {
        for base in [
            "",
            "/v1",
            "api.openai.com",
            "ftp://x/v1",
            "http://x/v1?key=1",
            "http://u:p@x/",
        ] {
            assert!(Endpoint::new("x", base).is_err(), "{base}");
        }
    }

    #[test]
    fn a_credential_is_not_shown() {
        let endpoint = Endpoint::new("x", "http://localhost/v1").unwrap();
        let endpoint = endpoint.bearer("canary-secret".into()).unwrap();
        assert!(!format!("{endpoint:?}").contains("canary"));
        let broken = Endpoint::new("x", "http://localhost/v1")
            .unwrap()
            .bearer("canary\n".into());
        assert!(!format!("{:?}", broken.unwrap_err()).contains("canary"));
    }
}
