mod address;
#[cfg(feature = "bedrock")]
mod bedrock;
mod error;
mod form;

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::AUTHORIZATION,
    uri::{Authority, PathAndQuery, Scheme},
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

pub use self::error::EndpointError;
use super::transport::{Transport, Versions, authorities, trusting};
use crate::{Dialect, canon, dialect::GOOGLE_KEY};

/// Where a provider is, and the credential that belongs there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: Arc<str>,
    scheme: Scheme,
    authority: Authority,
    prefix: Arc<str>,
    headers: HeaderMap,
    transport: Transport,
    dialect: Dialect,
    version: HeaderValue,
    azure: Option<Arc<str>>,
    #[cfg(feature = "bedrock")]
    bedrock: Option<bedrock::Bedrock>,
    asks_for_usage: bool,
    responses: bool,
    legacy_max_tokens: bool,
    lenient: bool,
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
            transport: Transport::default(),
            dialect: Dialect::OpenAi,
            version: HeaderValue::from_static("2023-06-01"),
            azure: None,
            #[cfg(feature = "bedrock")]
            bedrock: None,
            asks_for_usage: true,
            responses: true,
            legacy_max_tokens: false,
            lenient: false,
        })
    }

    /// Says which dialect is spoken there; OpenAI's by default. Requests in another are translated.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sends this key in the header that belongs to the [`dialect`](Self::dialect) set before: as `Authorization: Bearer`,
    /// `x-api-key` or `x-goog-api-key`, to Azure's dated form as `api-key`, and to Bedrock as `Authorization: Bearer`.
    ///
    /// # Errors
    /// If the key cannot stand in a header.
    pub fn key(self, key: SecretString) -> Result<Self, EndpointError> {
        match self.dialect {
            Dialect::OpenAi if self.azure.is_some() => self.header(AZURE_KEY, key),
            Dialect::OpenAi => self.bearer(key),
            Dialect::Anthropic if self.is_bedrock() => self.bearer(key),
            Dialect::Anthropic => self.header(ANTHROPIC_KEY, key),
            Dialect::Gemini => self.header(GOOGLE_KEY, key),
        }
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

    /// Speaks Azure's dated form: the model is a deployment in the path, and this is the `api-version`. The base URL is then
    /// `https://{resource}.openai.azure.com`. Azure's newer form, `/openai/v1`, needs a base URL and no more.
    #[must_use]
    pub fn azure(mut self, api_version: impl Into<Arc<str>>) -> Self {
        self.azure = Some(api_version.into());
        self
    }

    /// Sets the `anthropic-version` of translated requests; `2023-06-01` by default. From `2026-10-21` on, temperature and
    /// its like cannot be asked for.
    ///
    /// # Errors
    /// If the version cannot stand in a header.
    pub fn anthropic_version(mut self, version: &str) -> Result<Self, EndpointError> {
        self.version = HeaderValue::try_from(version).map_err(|_| EndpointError::Version)?;
        Ok(self)
    }

    /// Whether `/v1/responses` is served there; yes by default. Where it is not, responses are translated into chat
    /// completions.
    #[must_use]
    pub fn responses(mut self, served: bool) -> Self {
        self.responses = served;
        self
    }

    /// Whether the limit of output is called `max_tokens` in translated requests, as servers after OpenAI's older form
    /// want it, and not `max_completion_tokens`; no by default.
    #[must_use]
    pub fn legacy_max_tokens(mut self, legacy: bool) -> Self {
        self.legacy_max_tokens = legacy;
        self
    }

    /// Whether a translated request goes on without what cannot be said in this dialect; no by default, and it is refused.
    /// What was dropped stands in the answer's `x-tollgate-dropped`.
    #[must_use]
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
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

    pub(super) const fn is_lenient(&self) -> bool {
        self.lenient
    }

    pub(super) const fn speaks(&self) -> Dialect {
        self.dialect
    }

    pub(super) const fn version(&self) -> &HeaderValue {
        &self.version
    }

    pub(super) const fn knows_max_tokens_only(&self) -> bool {
        self.legacy_max_tokens
    }

    /// For whom a request is translated.
    pub(super) fn target<'a>(
        &'a self,
        model: &'a str,
        max_output: Option<u64>,
    ) -> canon::Target<'a> {
        canon::Target {
            model,
            max_output: max_output.unwrap_or(MAX_OUTPUT),
            version: self.version.to_str().unwrap_or_default(),
            legacy_max_tokens: self.legacy_max_tokens,
        }
    }

    /// Whether this is AWS Bedrock.
    pub(super) const fn is_bedrock(&self) -> bool {
        #[cfg(feature = "bedrock")]
        return self.bedrock.is_some();
        #[cfg(not(feature = "bedrock"))]
        false
    }
}

const AZURE_KEY: HeaderName = HeaderName::from_static("api-key");
const ANTHROPIC_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The most output that is asked for of a model of which nothing is known, where that must be said.
const MAX_OUTPUT: u64 = 4096;

#[cfg(test)]
mod tests;
