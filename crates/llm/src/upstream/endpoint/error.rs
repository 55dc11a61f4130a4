use std::fmt;

use http::uri::InvalidUri;
use tollgate_core::BoxError;

/// Why an [`Endpoint`](super::Endpoint) cannot be.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// The base URL cannot be read.
    Url(InvalidUri),
    /// The base URL is not `http(s)://host[:port][/path]`.
    NotAbsolute,
    /// An API version has characters that cannot stand in a header.
    Version,
    /// A credential has characters that cannot stand in a header.
    Secret,
    /// What is meant for a header's name is none.
    Header,
    /// There is no certificate in the PEM of an authority.
    NoCertificate,
    /// The certificate of an authority cannot be read.
    Certificate(BoxError),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "the base URL cannot be read",
            Self::NotAbsolute => "the base URL is not of the form http(s)://host[:port][/path]",
            Self::Version => "the version has characters that cannot stand in a header",
            Self::Secret => "the credential has characters that cannot stand in a header",
            Self::Header => "a header's name has characters that no name has",
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
