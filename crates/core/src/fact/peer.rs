use std::{fmt, net::SocketAddr, sync::Arc};

/// Who is at the other end of the connection. Whoever accepts connections puts it into the request's extensions; no
/// header can.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificate that it has shown and that was found valid, in DER.
    pub certificate: Option<Certificate>,
}

impl Peer {
    /// A peer without a certificate.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: None,
        }
    }
}

/// A client's certificate, in DER.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate(pub Arc<[u8]>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}
