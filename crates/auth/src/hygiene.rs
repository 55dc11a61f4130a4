mod forwarded;
mod names;

use std::{fmt, net::IpAddr, sync::Arc};

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{AUTHORIZATION, CONNECTION},
    request::Parts,
};
use ipnet::IpNet;
use tollgate_core::{Admission, Gate, GateLayer, GateService, Never, Rejection, fact::Peer};
use tower_layer::Layer;

use self::names::{Kind, Names};

/// Takes out of a request's head what only we, or a proxy in front of us, may say; and finds out the [`ClientAddress`].
///
/// It belongs outside [`AuthLayer`](crate::AuthLayer) and whatever else reads headers.
///
/// | what was sent | what becomes of it |
/// |---|---|
/// | `x-tollgate-…` | removed |
/// | `forwarded`, `x-forwarded-…`, `x-real-ip`, `client-cert`, `x-client-cert…` and the like | removed, unless the [`Peer`] is a [trusted proxy](Self::trusted_proxies) |
/// | any of these in disguise, such as `x_forwarded_for` | removed, whoever sent it |
/// | a credential, or what frames or routes a request, in disguise, such as `x_api_key` or `content_length` | 400 `ambiguous_headers` |
/// | `Connection` with anything but what belongs to a connection, such as `Connection: authorization` | 400 `ambiguous_headers` |
///
/// ```
/// use tollgate_auth::HygieneLayer;
///
/// let layer = HygieneLayer::new().trusted_proxies(["10.0.0.0/8".parse().unwrap()]);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct HygieneLayer {
    proxies: Arc<[IpNet]>,
    names: Arc<Names>,
}

impl HygieneLayer {
    /// A layer that trusts no proxy.
    #[must_use]
    pub fn new() -> Self {
        Self {
            proxies: Arc::default(),
            names: Arc::new(Names::new(CREDENTIALS)),
        }
    }

    /// Sets where proxies are that may say for whom they speak.
    #[must_use]
    pub fn trusted_proxies(self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            proxies: networks.into_iter().collect(),
            ..self
        }
    }

    /// Sets which headers carry credentials, beside `authorization`; by default `proxy-authorization`, `cookie`, `x-api-key`,
    /// `x-goog-api-key` and `api-key`.
    #[must_use]
    pub fn credentials(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = names.into_iter().chain([AUTHORIZATION]);
        Self {
            names: Arc::new(Names::new(names)),
            ..self
        }
    }

    fn clean(&self, parts: &mut Parts) -> Result<(), Rejection> {
        if !names::belong_to_a_connection(parts.headers.get_all(CONNECTION)) {
            return Err(ambiguous("`connection` names a header that has to go on"));
        }
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.map(|peer| peer.address.ip());
        let trusted = peer.is_some_and(|peer| self.is_proxy(peer));
        self.clean_headers(&mut parts.headers, trusted)?;
        let address = match trusted {
            true => forwarded::client(peer, &parts.headers, |hop| self.is_proxy(hop)),
            false => peer,
        };
        parts.extensions.insert(ClientAddress(address));
        Ok(())
    }

    fn clean_headers(&self, headers: &mut HeaderMap, trusted: bool) -> Result<(), Rejection> {
        let mut forged = Vec::new();
        for name in headers.keys() {
            match self.names.kind(name) {
                Kind::Any => {}
                Kind::Forwarding if trusted => {}
                Kind::Forwarding | Kind::Internal => forged.push(name.clone()),
                Kind::Disguised => {
                    return Err(ambiguous("a header looks like another one"));
                }
            }
        }
        for name in forged {
            headers.remove(name);
        }
        Ok(())
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl Default for HygieneLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for HygieneLayer {
    type Service = GateService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        GateLayer::new(self.clone()).layer(inner)
    }
}

impl Gate for HygieneLayer {
    type Observer = ();
    type Later = Never<()>; // decides at once

    fn admit(&self, mut parts: Parts) -> Admission<(), Never<()>> {
        Admission::Now(self.clean(&mut parts).map(|()| (parts, ())))
    }
}

impl fmt::Debug for HygieneLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HygieneLayer")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Where a request comes from: the address of the [`Peer`]; or behind [trusted proxies](HygieneLayer::trusted_proxies) the
/// last one of `X-Forwarded-For` that is not one of them. [`HygieneLayer`] puts it into the request's extensions. It is
/// nothing where there is no peer, or a trusted proxy said something that is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientAddress(pub Option<IpAddr>);

fn ambiguous(why: &'static str) -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, "ambiguous_headers", why)
}

const CREDENTIALS: [HeaderName; 6] = [
    AUTHORIZATION,
    http::header::PROXY_AUTHORIZATION,
    http::header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
];
