use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::AUTHORIZATION,
    uri::{Authority, InvalidUri, PathAndQuery, Scheme},
};
use secrecy::{ExposeSecret, SecretString};

/// Where a provider is, and the credential that belongs there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Arc<str>,
    scheme: Scheme,
    authority: Authority,
    prefix: Arc<str>,
    headers: HeaderMap,
    asks_for_usage: bool,
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

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) const fn wants_usage(&self) -> bool {
        self.asks_for_usage
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
}

impl std::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "the base URL cannot be read",
            Self::NotAbsolute => "the base URL is not of the form http(s)://host[:port][/path]",
            Self::Secret => "the credential has characters that cannot stand in a header",
        })
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
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
