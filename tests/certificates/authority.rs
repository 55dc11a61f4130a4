use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::{RootCertStore, pki_types::CertificateDer, pki_types::PrivateKeyDer};

/// Who vouches for a server or for clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("it is sound"))
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("it is sound");
        roots
    }

    /// Writes what a server at `127.0.0.1` needs, and returns the part of a configuration that names it.
    pub(crate) fn server(&self, folder: &Path, clients: &Self) -> String {
        let key = key();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]);
        let certificate = params.and_then(|params| params.signed_by(&key, &self.0));
        let certificate = certificate.expect("it is sound");
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).expect("the folder can be written to");
            path.display().to_string()
        };
        format!(
            "[server.tls]\ncert = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n",
            write("cert.pem", certificate.pem()),
            write("key.pem", key.serialize_pem()),
            write("clients.pem", clients.0.pem()),
        )
    }

    /// A certificate of a client's, with a common name and alternative ones.
    pub(crate) fn client(&self, common_name: &str, others: &[Name]) -> Identity {
        let key = key();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let text = |name: &str| name.try_into().expect("it is ASCII");
        params.subject_alt_names = others
            .iter()
            .map(|name| match name {
                Name::Dns(name) => SanType::DnsName(text(name)),
                Name::Uri(name) => SanType::URI(text(name)),
            })
            .collect();
        let certificate = params.signed_by(&key, &self.0).expect("it is sound");
        Identity {
            certificate: certificate.der().clone(),
            key: key.serialize_der().try_into().expect("it is a key"),
        }
    }
}

/// An alternative name in a certificate.
pub(crate) enum Name {
    Dns(&'static str),
    Uri(&'static str),
}

/// A certificate and its private key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}
