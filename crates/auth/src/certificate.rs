use tollgate_core::fact::Certificate;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// What a client's certificate says about whose it is.
///
/// ```
/// use tollgate_auth::{ApiKeys, AuthLayer, Subject};
/// use tollgate_core::fact::Principal;
///
/// let layer = AuthLayer::new(ApiKeys::new()).certificates(|certificate| {
///     let subject = Subject::of(certificate)?;
///     let service = subject.spiffe_id("corp.example")?;
///     Some(Principal::new(service).with_team("backend"))
/// });
/// # let _ = layer;
/// ```
///
/// Whether the certificate is good was found out when the connection began: here it is only read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    common_names: Vec<String>,
    dns_names: Vec<String>,
    uris: Vec<String>,
}

impl Subject {
    /// Reads a certificate. [`None`] when it is malformed, or its time is over since the connection began.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(&certificate.0).ok()?;
        if !rest.is_empty() || !certificate.validity().is_valid() {
            return None;
        }
        let names = certificate.subject().iter_common_name();
        let names = names.map(|name| name.as_str().map(str::to_owned));
        let mut subject = Self {
            common_names: names.collect::<Result<_, _>>().ok()?,
            dns_names: Vec::new(),
            uris: Vec::new(),
        };
        // An error here is an extension that is malformed or stands twice.
        if let Some(names) = certificate.subject_alternative_name().ok()? {
            for name in &names.value.general_names {
                match name {
                    GeneralName::DNSName(name) => subject.dns_names.push((*name).to_owned()),
                    GeneralName::URI(uri) => subject.uris.push((*uri).to_owned()),
                    _ => {}
                }
            }
        }
        subject.can_be_named().then_some(subject)
    }

    /// The common name, if there is exactly one.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        only(&self.common_names)
    }

    /// The DNS names among the alternative names. One with a `*` names no single host.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.dns_names.iter().map(String::as_str)
    }

    /// The URIs among the alternative names.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().map(String::as_str)
    }

    /// The SPIFFE ID, such as `spiffe://corp.example/billing`, if it is of this trust domain and the only URI, as it
    /// must be (X.509-SVID, 2).
    #[must_use]
    pub fn spiffe_id(&self, trust_domain: &str) -> Option<&str> {
        let id = only(&self.uris)?;
        let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
        let clean = path
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(is_of_spiffe));
        (domain == trust_domain && clean).then_some(id)
    }

    /// Names end up in records and in the keys of stores.
    fn can_be_named(&self) -> bool {
        let mut names = [&self.common_names, &self.dns_names, &self.uris]
            .into_iter()
            .flatten();
        names.all(|name| !name.is_empty() && !name.chars().any(char::is_control))
    }
}

fn only(names: &[String]) -> Option<&str> {
    match names {
        [name] => Some(name),
        _ => None,
    }
}

/// Whether a byte may stand in a segment of a SPIFFE ID's path (SPIFFE-ID, 2.2).
const fn is_of_spiffe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}
