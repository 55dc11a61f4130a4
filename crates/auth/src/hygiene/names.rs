use std::collections::HashSet;

use http::{HeaderName, HeaderValue, header::GetAll};

/// What the names of headers mean here.
pub(super) struct Names {
    credentials: HashSet<HeaderName>,
}

/// What a name is.
pub(super) enum Kind {
    /// None of ours.
    Any,
    /// How we speak among ourselves, or a disguise of it or of what a proxy says.
    Internal,
    /// What a proxy says of whom it speaks for.
    Forwarding,
    /// It can be taken for a credential, or for what frames or routes a request.
    Disguised,
}

impl Names {
    pub(super) fn new(credentials: impl IntoIterator<Item = HeaderName>) -> Self {
        Self {
            credentials: credentials.into_iter().collect(),
        }
    }

    pub(super) fn kind(&self, name: &HeaderName) -> Kind {
        let text = name.as_str();
        if text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
        {
            return match () {
                () if is_internal(text) => Kind::Internal,
                () if is_forwarding(text) => Kind::Forwarding,
                () => Kind::Any,
            };
        }
        // CGI and its heirs make one name of `x-api-key`, `x_api_key` and `x.api.key`.
        let plain = |byte: u8| {
            if byte.is_ascii_alphanumeric() {
                byte
            } else {
                b'-'
            }
        };
        let plain: String = text.bytes().map(|byte| char::from(plain(byte))).collect();
        let is_credential = self.credentials.iter().any(|name| name.as_str() == plain);
        match () {
            () if is_credential || FRAMING.contains(&&*plain) => Kind::Disguised,
            () if is_internal(&plain) || is_forwarding(&plain) => Kind::Internal,
            () => Kind::Any,
        }
    }
}

/// Whether all that `Connection` names ends at the next hop in any case. A proxy takes out what is named there: so a client
/// could have our own proxy take out a credential, or what it says of the client.
pub(super) fn belong_to_a_connection(values: GetAll<'_, HeaderValue>) -> bool {
    let mut options = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.all(|option| {
        let option = option.trim_ascii();
        option.is_empty()
            || OF_A_CONNECTION
                .iter()
                .any(|it| option.eq_ignore_ascii_case(it))
    })
}

fn is_internal(name: &str) -> bool {
    name.starts_with("x-tollgate-")
}

fn is_forwarding(name: &str) -> bool {
    FORWARDING.iter().any(|prefix| name.starts_with(prefix))
}

/// How the names begin of what proxies say: for whom they speak, what it asked for, which certificate it has shown.
const FORWARDING: [&str; 19] = [
    "forwarded",
    "x-forwarded",
    "x-real-",
    "x-original-",
    "x-rewrite-",
    "x-remote-",
    "remote-",
    "x-client-",
    "client-cert",
    "client-ip",
    "x-cluster-client",
    "true-client-ip",
    "fastly-client-ip",
    "cf-connecting-ip",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-ssl-",
    "ssl-client",
    "x-tls-client",
];

/// Who disagrees with another on these disagrees on where a request ends, or where it goes.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const OF_A_CONNECTION: [&[u8]; 8] = [
    b"close",
    b"http2-settings",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];
