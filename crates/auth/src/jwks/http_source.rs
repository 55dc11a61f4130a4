use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header::ACCEPT, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde::Deserialize;

use super::key_source::{FetchError, FetchFuture, Fetched, KeySource};

/// Keys that come over HTTP, from an address that is known or that an issuer's discovery document names.
#[derive(Clone)]
pub(crate) struct HttpSource {
    client: HttpClient,
    plain: bool,
    place: Place,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

#[derive(Clone)]
enum Place {
    Keys(Uri),
    Issuer { iss: Arc<str>, document: Uri },
}

impl HttpSource {
    /// Keys from this address, if they may come from there.
    pub(crate) fn of_keys(
        url: &str,
        plain: bool,
        roots: Option<Arc<RootCertStore>>,
    ) -> Option<Self> {
        let place = Place::Keys(allowed(url, plain)?);
        Some(Self::new(place, plain, roots))
    }

    /// Keys from where the discovery document says (OpenID Connect Discovery, 4).
    pub(crate) fn of_issuer(
        iss: &Arc<str>,
        plain: bool,
        roots: Option<Arc<RootCertStore>>,
    ) -> Option<Self> {
        let base = iss.strip_suffix('/').unwrap_or(iss);
        let document = allowed(&format!("{base}/.well-known/openid-configuration"), plain)?;
        let iss = Arc::clone(iss);
        Some(Self::new(Place::Issuer { iss, document }, plain, roots))
    }

    fn new(place: Place, plain: bool, roots: Option<Arc<RootCertStore>>) -> Self {
        Self {
            client: client(roots),
            plain,
            place,
        }
    }

    async fn keys(self) -> Result<Fetched, FetchError> {
        let url = match &self.place {
            Place::Keys(url) => url.clone(),
            Place::Issuer { iss, document } => {
                let document = self.get(document.clone()).await?.json;
                let document: Discovery =
                    serde_json::from_slice(&document).map_err(|_| FetchError::Malformed)?;
                if *document.issuer != **iss {
                    return Err(FetchError::OtherIssuer);
                }
                allowed(&document.jwks_uri, self.plain).ok_or(FetchError::Url)?
            }
        };
        self.get(url).await
    }

    /// One answer, and no redirect: it would lead to where nobody has configured.
    async fn get(&self, url: Uri) -> Result<Fetched, FetchError> {
        let unreachable = |error| FetchError::Unreachable(Box::new(error));
        let request = Request::get(url).header(ACCEPT, "application/json");
        let request = request.body(Empty::new()).map_err(|_| FetchError::Url)?;
        let response = self.client.request(request).await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLarge
            } else {
                FetchError::Unreachable(error)
            }
        })?;
        let json = body.to_bytes();
        Ok(Fetched { json, max_age })
    }
}

impl KeySource for HttpSource {
    fn fetch(&self) -> FetchFuture {
        Box::pin(self.clone().keys())
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// An address that keys may come from: whoever can change them on the way can be anybody.
fn allowed(url: &str, plain: bool) -> Option<Uri> {
    let url: Uri = url.parse().ok()?;
    let host = url.host()?;
    let near = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme_str()? {
        "https" => Some(url),
        "http" if plain || near => Some(url),
        _ => None,
    }
}

fn client(roots: Option<Arc<RootCertStore>>) -> HttpClient {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let roots =
        roots.unwrap_or_else(|| Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()));
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the protocol's default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(http);
    // It is asked so seldom that a connection would not live until then.
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector)
}

/// The `max-age` of `Cache-Control` (RFC 9111, 5.2.2.1); none at all when nothing is to be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if matches!(directive.as_str(), "no-cache" | "no-store") {
            return Some(Duration::ZERO);
        }
        let age = directive
            .strip_prefix("max-age=")
            .and_then(|age| age.trim_matches('"').parse().ok());
        found = found.or(age.map(Duration::from_secs));
    }
    found
}

const LARGEST: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

    use super::{allowed, max_age};

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for (url, strictly, plainly) in [
            ("https://issuer.example/keys", true, true),
            ("http://127.0.0.1:8080/keys", true, true),
            ("http://[::1]/keys", true, true),
            ("http://issuer.example/keys", false, true),
            ("http://127.0.0.1.issuer.example/keys", false, true),
            ("http://127.0.0.1@issuer.example/keys", false, true),
            ("ftp://issuer.example/keys", false, false),
            ("file:///etc/keys", false, false),
            ("/keys", false, false),
            ("issuer.example", false, false),
        ] {
            assert_eq!(allowed(url, false).is_some(), strictly, "{url}");
            assert_eq!(allowed(url, true).is_some(), plainly, "{url}");
        }
    }

    #[test]
    fn cache_control_says_how_long_keys_are_good() {
        for (value, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("max-age=60, no-store", Some(0)),
            ("max-age=-1", None),
            ("max-age=99999999999999999999", None),
            ("private", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(max_age(&headers), expected, "{value}");
        }
    }
}
